// Manifests with the image of a release in the place of the one that is built from the sources.
import { Trouble } from "../lib/words.mjs";

const MINE = /^( +)image: medvault:local\n +build: \.\n/m;

/** docker-compose.yml, which takes the image that was loaded, and builds none. */
export function pinnedCompose(compose: string, version: string): string {
  if (!MINE.test(compose))
    throw new Trouble("docker-compose.yml names its image otherwise than medvault:local.");
  return compose.replace(MINE, `$1image: medvault:${version}\n`);
}

/** Rendered manifests with the image by its digest, which no registry can give another image for. */
export function pinnedPods(manifests: string, version: string, digest: string): string {
  const image = new RegExp(`(image: (?:\\S+/)?medvault:${version.replaceAll(".", "\\.")})$`, "gm");
  const pinned = manifests.replace(image, `$1@${digest}`);
  if (pinned === manifests || /image: (\S+\/)?medvault(:[^@\s]*)?$/m.test(pinned))
    throw new Trouble(
      `deploy/k8s names another image than medvault:${version}: set newTag in base/kustomization.yaml.`,
    );
  return pinned;
}
