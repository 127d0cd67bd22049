// Before the tests of deploy: what they need, which nothing else does, is installed once.
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import path from "node:path";

export default function setup(): void {
  const here = import.meta.dirname;
  const changed = (file: string) => statSync(path.join(here, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (changed("node_modules/.package-lock.json") > changed("package-lock.json")) return;
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: here,
    stdio: ["ignore", "ignore", "inherit"],
  });
}
