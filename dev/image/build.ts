// The image, built with buildah.
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";

export interface Build {
  /** Where the Dockerfile and what it copies are. */
  readonly from: string;
  readonly tag: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of all files in it, in seconds since 1970: what is built twice is then the same. */
  readonly epoch?: number;
}

/** @throws Trouble with the last words of the build */
export async function buildImage({ from, tag, labels = {}, epoch }: Build): Promise<void> {
  const named = Object.entries(labels).map(([name, value]) => `--label=${name}=${value}`);
  const timed = epoch === undefined ? [] : [`--timestamp=${epoch}`];
  const args = ["bud", "--isolation=chroot", "--pull-never", "--format=docker", ...named, ...timed];
  const { code, words, out } = await run("buildah", [...args, "--tag", tag, from], { cwd: root });
  if (code !== 0) throw new Trouble(`the build failed: ${`${out}\n${words}`.trim().slice(-1500)}`);
}
