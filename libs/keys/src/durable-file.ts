import { randomBytes } from "node:crypto";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
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
 * `isStillWanted` is asked at the last moment; returns what it said.
 */
export async function replaceDurably(
  path: string,
  text: string,
  isStillWanted: () => Promise<boolean>,
): Promise<boolean> {
  const draft = draftOf(path);
  try {
    await writeSynced(draft, text);
    if (!(await isStillWanted())) return false;
    await rename(draft, path);
    await syncFolder(dirname(path));
    return true;
  } finally {
    await rm(draft, { force: true });
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
