// What must be so before anything is released.
import { changelogFaults } from "./changelog.ts";

export interface Standing {
  readonly version: string;
  readonly branch: string | null;
  /** Files that are changed or not known to git. */
  readonly changed: readonly string[];
  /** The commit that is checked out. */
  readonly commit: string;
  /** Tags of releases, with their commits. */
  readonly tags: ReadonlyMap<string, string>;
  readonly changelog: string;
}

const VERSION = /^(\d+)\.(\d+)\.(\d+)$/;

/** Every reason why it cannot be released, as sentences that say what to do. */
export function releaseBlocks(o: Standing): string[] {
  const tag = `v${o.version}`;
  const at = o.tags.get(tag);
  const newest = [...o.tags.keys()]
    .filter((name) => name !== tag)
    .toSorted(byVersion)
    .at(-1);
  const blocks: string[] = [];
  if (!VERSION.test(o.version))
    blocks.push(
      `The version of package.json, ${o.version}, is not of the form 1.2.3: npm version --no-git-tag-version 1.2.3 sets it.`,
    );
  if (o.changed.length > 0)
    blocks.push(
      `${o.changed.length} files are changed (${o.changed.slice(0, 3).join(", ")}…): commit them, or put them away.`,
    );
  if (o.branch !== "main" && at !== o.commit)
    blocks.push(
      `This is ${o.branch ?? "no branch"}, and releases are made of main or of a tag: git switch main.`,
    );
  if (at !== undefined && at !== o.commit)
    blocks.push(
      `The tag ${tag} is there already, on another commit: raise the version (npm version --no-git-tag-version <version>).`,
    );
  if (newest && VERSION.test(o.version) && byVersion(tag, newest) <= 0)
    blocks.push(
      `${tag} is not newer than ${newest}: raise the version (npm version --no-git-tag-version <version>).`,
    );
  return [...blocks, ...changelogFaults(o.changelog, o.version)];
}

function byVersion(one: string, other: string): number {
  const [a, b] = [one, other].map((tag) => tag.slice(1).split(".").map(Number)) as [number[], number[]];
  return [0, 1, 2].map((at) => (a[at] ?? 0) - (b[at] ?? 0)).find((difference) => difference !== 0) ?? 0;
}
