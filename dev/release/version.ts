// A version of MedVault in a folder of its own, started by its own code.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { readJson } from "../lib/json.mjs";
import { dataDir, root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";
import { git } from "./git.ts";

/** What a rehearsal calls of a version, by that version's own code. */
export interface Version {
  readonly label: string;
  readonly services: Pick<typeof import("../run/services.ts"), "service" | "environment">;
  readonly setup: Pick<typeof import("../run/setup.ts"), "migrate" | "makeKeys" | "brokerDefinitions">;
  readonly people: Pick<typeof import("../run/people.ts"), "firstPeople">;
  readonly registry: Pick<typeof import("../settings/registry.ts"), "declared">;
}

/** Loads the version in a folder. Throws Trouble when it starts otherwise than this one. */
export async function versionIn(tree: string, label: string): Promise<Version> {
  const load = (file: string) => import(pathToFileURL(path.join(tree, "dev", file)).href);
  try {
    const [services, setup, people, registry] = await Promise.all(
      ["run/services.ts", "run/setup.ts", "run/people.ts", "settings/registry.ts"].map(load),
    );
    return { label, services, setup, people, registry };
  } catch (error) {
    throw new Trouble(`${label} cannot be started by this rehearsal: ${(error as Error).message}.`);
  }
}

/** The files of a commit with their packages, under .data; made once. */
export async function treeOf(commit: string): Promise<string> {
  const tree = path.join(dataDir(path.join(root, ".data")), "versions", commit.slice(0, 12));
  if (fs.existsSync(path.join(tree, ".whole"))) return tree;
  fs.rmSync(tree, { recursive: true, force: true });
  fs.mkdirSync(tree, { recursive: true });
  const archive = path.join(tree, ".tar");
  if ((await git(["archive", `--output=${archive}`, commit])) === null)
    throw new Trouble(`git archive ${commit} failed: is there room in ${tree}?`);
  await must("tar", ["-xf", archive, "-C", tree], tree);
  fs.rmSync(archive);
  if (samePackages(tree)) await must("cp", ["-al", path.join(root, "node_modules"), tree], tree);
  else await must("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], tree);
  fs.writeFileSync(path.join(tree, ".whole"), "");
  return tree;
}

/** Whether both lock files ask for the same packages of others; ours are links into the tree. */
function samePackages(tree: string): boolean {
  const [ours, theirs] = [root, tree].map((dir) => {
    const lock = readJson(path.join(dir, "package-lock.json")) as { packages: object } | null;
    return Object.entries(lock?.packages ?? {}).filter(
      ([place, { link }]) => /(^|\/)node_modules\//.test(place) && !link,
    );
  });
  return JSON.stringify(ours) === JSON.stringify(theirs);
}

async function must(program: string, args: string[], cwd: string): Promise<void> {
  const { code, words } = await run(program, args, { cwd });
  if (code !== 0) throw new Trouble(`${program} ${args[0]} failed: ${words.trim().slice(-500)}`);
}
