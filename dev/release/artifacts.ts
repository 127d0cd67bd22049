// The files of a release, in the folder that is handed out.
import type { KeyObject } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { buildImage } from "../image/build.ts";
import { podman } from "../image/podman.ts";
import { dataDir, root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { step, Trouble } from "../lib/words.mjs";
import { inPath } from "../servers/find.ts";
import { git } from "./git.ts";
import { pinnedCompose, pinnedPods } from "./manifests.ts";
import { debianPackages, npmPackages } from "./offline.ts";
import { envelopeOf, type Inputs, statementOf } from "./provenance.ts";
import { filesOf, PROVENANCE, SBOM, SUMS, sha256Of } from "./verify.mjs";

export const CONTENTS: readonly (readonly [name: string, what: string])[] = [
  ["INSTALL.md", "how to install it without a network: npm start, compose, Kubernetes"],
  ["medvault-<version>-image.tar", "the image, as an OCI archive"],
  ["medvault-<version>-source.tar.gz", "the sources"],
  ["offline.tar", "what npm start would fetch, and the images of the servers that were at hand"],
  ["docker-compose.yml", "with this image"],
  ["kubernetes.yaml", "deploy/k8s/overlays/production, rendered, with this image by its digest"],
  [SBOM, "the bill of materials of the image (CycloneDX)"],
  ["install.mjs, verify.mjs", "for npm start without a network; for checking all of it"],
  [PROVENANCE, "what it was made of (in-toto, SLSA provenance v1, in a DSSE envelope)"],
  [SUMS, "of all files"],
];

export interface ReleaseOptions {
  readonly version: string;
  readonly commit: string;
  readonly out: string;
  /** Signs; null: it is unsigned. */
  readonly key: KeyObject | null;
  readonly isRehearsal: boolean;
  readonly say: (line: string) => void;
}

const PROGRAMS = ["git", "tar", "buildah", "podman", "kubectl", "npm"];
const BASES = ["docker.io/library/node:24-slim", "gcr.io/distroless/cc-debian12:nonroot"];
const LOCKS = ["package-lock.json", "deploy/check/package-lock.json"];
const OVERLAY = "deploy/k8s/overlays/production";
const HERE = import.meta.dirname;

/** Makes all of it, or nothing. Gives what those who hand it out should know. */
export async function buildRelease(o: ReleaseOptions): Promise<{ notes: string[] }> {
  requirePrograms();
  const bases = await Promise.all(BASES.map(imageFacts));
  const standIns = bases.filter(({ isStandIn }) => isStandIn).map(({ name }) => name);
  if (standIns.length > 0 && !o.isRehearsal)
    throw new Trouble(
      `${standIns.join(", ")} were made here of Debian's packages: podman pull them, and release then.`,
    );
  const data = dataDir(path.join(root, ".data"));
  const work = path.join(data, "release-work");
  const made = path.join(work, "made");
  fs.rmSync(work, { recursive: true, force: true }); // of one that was killed
  try {
    fs.mkdirSync(made, { recursive: true });
    const release = new Release(o, work, made);
    const notes = await release.make(bases);
    fs.mkdirSync(path.dirname(o.out), { recursive: true });
    fs.renameSync(made, o.out);
    return {
      notes: [...standIns.map((name) => `${name} is a stand-in made of Debian's packages`), ...notes],
    };
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

class Release {
  readonly #o: ReleaseOptions;
  readonly #work: string;
  readonly #made: string;

  constructor(o: ReleaseOptions, work: string, made: string) {
    this.#o = o;
    this.#work = work;
    this.#made = made;
  }

  async make(bases: Inputs["images"]): Promise<string[]> {
    const { say, version, commit } = this.#o;
    const epoch = Number(await git(["show", "--no-patch", "--format=%ct", commit]));
    const tree = await step(say, "sources", () => this.#sources());
    await step(say, "manifests", () => this.#manifests(tree, "sha256:unknown")); // before the long work
    const digest = await step(say, "image", () => this.#image(tree, epoch));
    await this.#manifests(tree, digest);
    const missing = await step(say, "packages for machines without a network", () =>
      this.#offline(tree, epoch),
    );
    for (const name of ["install.mjs", "verify.mjs"])
      fs.copyFileSync(path.join(HERE, name), path.join(this.#made, name));
    const page = fs.readFileSync(path.join(HERE, "INSTALL.md"), "utf8");
    const lacking = missing.map((name) => `- \`${name}\``).join("\n") || "None: all are in `offline.tar`.";
    this.#write("INSTALL.md", page.replaceAll("{version}", version).replace("{missing images}", lacking));
    await step(say, "provenance and checksums", () => this.#provenance(tree, bases));
    return missing.map(
      (name) => `${name} is not at hand here, and not in the bundle (INSTALL.md says what to do)`,
    );
  }

  #write(name: string, text: string): void {
    fs.writeFileSync(path.join(this.#made, name), text);
  }

  async #sources(): Promise<string> {
    const { version, commit } = this.#o;
    const name = `medvault-${version}`;
    const tar = path.join(this.#work, "source.tar");
    await must(
      "git",
      ["-c", "tar.umask=0022", "archive", `--prefix=${name}/`, `--output=${tar}`, commit],
      root,
    );
    this.#writeBytes(`${name}-source.tar.gz`, gzipSync(fs.readFileSync(tar), { level: 9 }));
    await must("tar", ["-xf", tar], this.#work);
    return path.join(this.#work, name);
  }

  #writeBytes(name: string, bytes: Buffer): void {
    fs.writeFileSync(path.join(this.#made, name), bytes);
  }

  /** @returns the digest of the image's manifest */
  async #image(tree: string, epoch: number): Promise<string> {
    const { version, commit } = this.#o;
    const tag = `docker.io/library/medvault:${version}`;
    const label = "org.opencontainers.image";
    const labels = {
      [`${label}.version`]: version,
      [`${label}.revision`]: commit,
      [`${label}.title`]: "MedVault",
    };
    await buildImage({ from: tree, tag, labels, epoch });
    const place = await podman("image", "mount", tag);
    fs.copyFileSync(path.join(place, "app", SBOM), path.join(this.#made, SBOM));
    await podman("image", "unmount", tag);
    return archiveOf(tag, path.join(this.#made, `medvault-${version}-image.tar`), this.#work, epoch);
  }

  async #manifests(tree: string, digest: string): Promise<void> {
    const { version } = this.#o;
    const compose = fs.readFileSync(path.join(tree, "docker-compose.yml"), "utf8");
    this.#write("docker-compose.yml", pinnedCompose(compose, version));
    const rendered = await must("kubectl", ["kustomize", path.join(tree, OVERLAY)], tree);
    this.#write("kubernetes.yaml", pinnedPods(rendered, version, digest));
  }

  /** @returns the images that could not be put in */
  async #offline(tree: string, epoch: number): Promise<string[]> {
    const dir = path.join(this.#work, "offline");
    const count = await npmPackages(path.join(tree, "package-lock.json"), path.join(dir, "npm"));
    const work = path.join(this.#work, "debian");
    const debs = await debianPackages(path.join(dir, "debian"), work, (line) => this.#o.say(`  ${line}`));
    this.#o.say(`  ${count} packages of npm, ${debs} of Debian`);
    const missing: string[] = [];
    fs.mkdirSync(path.join(dir, "images"));
    for (const name of imagesOf(path.join(this.#made, "docker-compose.yml"))) {
      const facts = await imageFacts(`docker.io/${name.includes("/") ? "" : "library/"}${name}`).catch(
        () => null,
      );
      if (!facts || facts.isStandIn) missing.push(name);
      else
        await archiveOf(
          facts.name,
          path.join(dir, "images", `${name.replaceAll(/[/:]/g, "-")}.tar`),
          this.#work,
          epoch,
        );
    }
    await pack(dir, path.join(this.#made, "offline.tar"), epoch);
    return missing;
  }

  async #provenance(tree: string, images: Inputs["images"]): Promise<void> {
    const { version, commit, key } = this.#o;
    const sums = async () => {
      const all = filesOf(this.#made).map(
        async (name) => [name, await sha256Of(path.join(this.#made, name))] as const,
      );
      return new Map(await Promise.all(all));
    };
    const tools = {
      buildah: (await must("buildah", ["--version"], root)).trim(),
      npm: (await must("npm", ["--version"], root)).trim(),
    };
    const locks = Object.fromEntries(LOCKS.map((file) => [file, fs.readFileSync(path.join(tree, file))]));
    const statement = statementOf(await sums(), {
      version,
      commit,
      node: process.version,
      tools,
      locks,
      images,
    });
    this.#write(PROVENANCE, `${JSON.stringify(envelopeOf(statement, key), null, 1)}\n`);
    this.#write(SUMS, [...(await sums())].map(([name, sum]) => `${sum}  ${name}\n`).join(""));
  }
}

function requirePrograms(): void {
  const missing = PROGRAMS.filter((name) => inPath(name).length === 0);
  if (missing.length > 0)
    throw new Trouble(
      `A release needs ${missing.join(", ")}: install what is missing (npm run image -- --help).`,
    );
  if (process.getuid?.() !== 0)
    throw new Trouble("A release is built as root: buildah and podman mount images.");
}

/** The images of a compose file that are not ours. */
function imagesOf(file: string): string[] {
  const named = [...fs.readFileSync(file, "utf8").matchAll(/^ +image: (\S+)$/gm)].map(
    ([, name]) => name ?? "",
  );
  return [...new Set(named)].filter((name) => !name.startsWith("medvault:"));
}

async function imageFacts(name: string): Promise<Inputs["images"][number]> {
  const [found] = JSON.parse(await podman("image", "inspect", name)) as {
    Digest: string;
    History: { comment?: string }[];
  }[];
  const isStandIn = found?.History.some(({ comment }) => /import/i.test(comment ?? "")) ?? false;
  return { name, sha256: found?.Digest.replace("sha256:", "") ?? "", isStandIn };
}

/** Writes an image as an OCI archive that docker load and podman load take under its name. */
async function archiveOf(tag: string, file: string, work: string, epoch: number): Promise<string> {
  const layout = fs.mkdtempSync(path.join(work, "oci-"));
  await must("buildah", ["push", "--quiet", "--format=oci", tag, `oci:${layout}:${tag}`], work);
  const index = path.join(layout, "index.json");
  const parsed = JSON.parse(fs.readFileSync(index, "utf8")) as {
    manifests: { digest: string; annotations: Record<string, string> }[];
  };
  for (const manifest of parsed.manifests) manifest.annotations["io.containerd.image.name"] = tag;
  fs.writeFileSync(index, JSON.stringify(parsed));
  await pack(layout, file, epoch);
  return parsed.manifests[0]?.digest ?? "";
}

/** A folder as a tar that is the same whenever the files are. */
async function pack(dir: string, file: string, epoch: number): Promise<void> {
  const same = [
    "--sort=name",
    `--mtime=@${epoch}`,
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mode=u=rwX,go=rX",
  ];
  const names = fs.readdirSync(dir).toSorted();
  await must("tar", ["--create", "--format=gnu", ...same, `--file=${file}`, ...names], dir);
}

async function must(program: string, args: string[], cwd: string): Promise<string> {
  const { code, out, words } = await run(program, args, { cwd });
  if (code === 0) return out;
  throw new Trouble(
    `${program} ${args.slice(0, 2).join(" ")} … failed: ${`${out}\n${words}`.trim().slice(-800)}`,
  );
}
