// Files of the servers: made with the right mode at once, and owned by the user that the servers
// run as.
import fs from "node:fs";
import path from "node:path";
import { serverUser } from "../lib/paths.mjs";

const user = serverUser();

/** How to spawn a server: as its own user when we are root. */
export const asServer: { uid?: number; gid?: number } = user ?? {};

function give(file: string): string {
  if (user) fs.chownSync(file, user.uid, user.gid);
  return file;
}

/** A directory that only the servers' user may enter. */
export const serverDir = (dir: string): string => give(privateDir(dir));

/** A file that only the servers' user may read, replaced as a whole or not at all. */
export const serverFile = (file: string, content: string, mode = 0o600): string =>
  replace(file, content, mode, give);

/** A directory of our own, closed to everyone else. */
export function privateDir(dir: string): string {
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  fs.chmodSync(dir, 0o700);
  return dir;
}

/**
 * A file of our own with mode 0600, replaced as a whole or not at all: a reader sees the old one or
 * the new one, also after a power cut or on a full disk.
 */
export const privateFile = (file: string, content: string): string => replace(file, content, 0o600);

function replace(file: string, content: string, mode: number, beforeRename = (_file: string) => ""): string {
  if (isThere(file, content, mode)) return file; // so that a full disk keeps no server from its start
  const next = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`);
  fs.rmSync(next, { force: true });
  try {
    fs.writeFileSync(next, content, { mode, flag: "wx", flush: true });
    fs.chmodSync(next, mode);
    beforeRename(next);
    fs.renameSync(next, file);
  } catch (error) {
    fs.rmSync(next, { force: true });
    throw error;
  }
  syncDirectory(path.dirname(file));
  return file;
}

function isThere(file: string, content: string, mode: number): boolean {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile() || (found.mode & 0o777) !== mode) return false;
  return fs.readFileSync(file, "utf8") === content;
}

/** A rename that is not synced can be lost with the power. */
function syncDirectory(dir: string): void {
  const opened = fs.openSync(dir, "r");
  try {
    fs.fsyncSync(opened);
  } finally {
    fs.closeSync(opened);
  }
}
