// What git knows about the versions.
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";

/** What a git command prints, without its last line break; null when it fails. */
export async function git(args: readonly string[], cwd = root): Promise<string | null> {
  const ran = await run("git", args, { cwd }).catch(() => null);
  return ran?.code === 0 ? ran.out.trimEnd() : null;
}

const RELEASE_TAG = "v[0-9]*.[0-9]*.[0-9]*";
/** So many commits with migrations lie between two versions as long as nothing is tagged. */
const MIGRATIONS_BACK = 3;

/**
 * The commit of the version before this one: what was asked for, else the last release, else the
 * one before the last three commits that added migrations. Throws Trouble where there is no history.
 */
export async function versionBefore(asked: string | undefined, cwd = root): Promise<string> {
  if ((await git(["rev-parse", "--git-dir"], cwd)) === null)
    throw new Trouble("There is no git history here: run this in a clone of the repository.");
  if (asked !== undefined) return commitOf(asked, cwd);
  const tag = await git(["describe", "--tags", "--abbrev=0", "--match", RELEASE_TAG, "HEAD^"], cwd);
  if (tag !== null) return commitOf(tag, cwd);
  const paths = ["services/*/migrations/*", "libs/*/migrations/*"];
  const added = await git(["log", "--diff-filter=A", "--format=%H", "--", ...paths], cwd);
  const commit = added?.split("\n")[MIGRATIONS_BACK - 1];
  const isShallow = (await git(["rev-parse", "--is-shallow-repository"], cwd)) === "true";
  if (!commit || (isShallow && (await git(["rev-parse", `${commit}^`], cwd)) === null)) {
    const why = isShallow
      ? "this clone is shallow (git fetch --unshallow brings the rest)"
      : "it is too short";
    throw new Trouble(`The history has no version before this one: ${why}. Or name one: -- --from <commit>.`);
  }
  return commitOf(`${commit}^`, cwd);
}

async function commitOf(name: string, cwd: string): Promise<string> {
  const commit = await git(["rev-parse", "--verify", "--end-of-options", `${name}^{commit}`], cwd);
  if (commit) return commit;
  throw new Trouble(`There is no version ${name} in this clone: git fetch --tags brings the tags.`);
}
