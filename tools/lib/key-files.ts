// Where key files lie: side by side, or each in a folder of its own, which can be mounted alone.
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";

/** `<keysDir>/<owner>.json`, or `<keysDir>/<owner>/<owner>.json` where there is such a folder. */
export function keyFileIn(keysDir: string, owner: string): string {
  const own = path.join(keysDir, owner);
  return path.join(isFolder(own) ? own : keysDir, `${owner}.json`);
}

/** Whose key files are there. */
export function keyOwnersIn(keysDir: string): string[] {
  const names = existsSync(keysDir) ? readdirSync(keysDir) : [];
  const owners = new Set(names.map((name) => path.basename(name, ".json")));
  return [...owners]
    .filter((owner) => /^[a-z]+$/.test(owner) && existsSync(keyFileIn(keysDir, owner)))
    .sort();
}

const isFolder = (place: string): boolean =>
  statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
