// Programs on this machine.
import fs from "node:fs";
import path from "node:path";

/** Entries whose names match, the highest version first. */
export function newest(dir: string, pattern: RegExp): string[] {
  const names = fs.existsSync(dir) ? fs.readdirSync(dir).filter((name) => pattern.test(name)) : [];
  return names
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }))
    .map((name) => path.join(dir, name));
}

/** Directories of PATH that hold the program. */
export function inPath(program: string): string[] {
  const dirs = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/bin"];
  return dirs.filter((dir) => dir && isProgram(path.join(dir, program)));
}

/** A file that may be run. */
export function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
