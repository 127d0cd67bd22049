// Which image of this machine plays which of the manifests.
import fs from "node:fs";
import path from "node:path";
import { buildImage } from "../../dev/image/build.ts";
import { imageOf, readCompose } from "../../dev/image/compose.ts";
import { makeStandIns } from "../../dev/image/stand-ins.ts";
import { root } from "../../dev/lib/paths.mjs";
import { Trouble } from "../../dev/lib/words.mjs";

const OURS = "localhost/medvault:rehearsal";
const SERVERS = ["postgres", "redis", "rabbitmq"] as const;

/** Builds ours, and makes what is missing of the servers'. */
export async function prepareImages(isBuilt: boolean): Promise<void> {
  fs.mkdirSync(path.join(root, ".data"), { recursive: true });
  const compose = readCompose();
  const of = (name: string) => imageOf(compose, name);
  await makeStandIns({
    ...{ postgres: of("postgres"), redis: of("redis"), rabbitmq: of("rabbitmq") },
    prometheus: of("prometheus"),
  });
  if (!isBuilt) await buildImage({ from: root, tag: OURS });
}

/**
 * The image, and its arguments as the official image's entry point makes them, which a stand-in of
 * Debian's packages has not.
 */
export function playedBy(image: string, args: readonly string[]): { image: string; args: readonly string[] } {
  const name = image.split(":")[0] ?? "";
  if (name === "medvault") return { image: OURS, args };
  if (!SERVERS.some((server) => server === name)) throw new Trouble(`nothing here plays the image ${image}.`);
  const program = { postgres: ["postgres"], redis: ["redis-server"], rabbitmq: [] }[name] ?? [];
  return { image: `docker.io/library/${imageOf(readCompose(), name)}`, args: [...program, ...args] };
}
