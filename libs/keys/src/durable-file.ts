import { randomBytes } from "node:crypto";
import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes a new file of mode 0600, whole or not at all, and never over one that exists. Returns whether it did. */
export async function createDurably(path: string, text: string): Promise<boolean> {
  const draft = draftOf(path);
  try {
    await writeSynced(draft, text);
    await link(draft, path); // unlike a rename, a link never replaces
    await syncFolder(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/**
 * Replaces a file by one of mode 0600: whoever opens it sees the old one or the new one, also after a crash.
 * `isStillWanted` is asked at the last moment, while no other call may replace the same file; returns what it said, or
 * false when somebody else is just replacing it.
 */
export async function replaceDurably(
  path: string,
  text: string,
  isStillWanted: () => Promise<boolean>,
): Promise<boolean> {
  const draft = draftOf(path);
  try {
    await writeSynced(draft, text);
    return await alone(`${path}.lock`, async () => {
      if (!(await isStillWanted())) return false;
      await rename(draft, path);
      await syncFolder(dirname(path));
      return true;
    });
  } finally {
    await rm(draft, { force: true });
  }
}

// Replacing takes milliseconds: a lock this old was left by a process that died in between.
const STALE_LOCK_MS = 60_000;

/** Without it, two who asked at the same moment would both replace, and one's change be lost: with it a key. */
async function alone(lock: string, work: () => Promise<boolean>): Promise<boolean> {
  if (!(await taken(lock))) {
    const left = await stat(lock).catch(() => null);
    if (left === null || Date.now() - left.mtimeMs < STALE_LOCK_MS) return false;
    await rm(lock, { force: true });
    if (!(await taken(lock))) return false;
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function taken(lock: string): Promise<boolean> {
  try {
    await (await open(lock, "wx", 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

const draftOf = (path: string): string => `${path}.${randomBytes(6).toString("hex")}.new`;

async function writeSynced(path: string, text: string): Promise<void> {
  await closing(await open(path, "wx", 0o600), async (file) => {
    await file.writeFile(text);
    await file.sync();
  });
}

async function syncFolder(path: string): Promise<void> {
  await closing(await open(path, "r"), (folder) => folder.sync());
}

async function closing(file: FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(file);
  } finally {
    await file.close();
  }
}
