import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The bytes of a file; null when there is none. Any other fault rejects. */
export async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/**
 * Puts a file in place whole or not at all, and makes it last: written aside, fsync, renamed, and the directory
 * synced, because a rename that is not synced can be lost with the power.
 */
export async function writeDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  const directory = dirname(path);
  await makeDirectory(directory);
  const aside = join(directory, `.${process.pid}.tmp`);
  try {
    await withFile(aside, "w", async (file) => {
      await file.writeFile(bytes);
      await file.sync();
    });
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

/**
 * Writes `bytes` at `offset` of a file that is made when it is not there, cuts off whatever stood after them
 * (the torn end of a write that a crash broke off), and makes it last.
 */
export async function writeTailDurably(path: string, offset: number, bytes: Buffer): Promise<void> {
  const directory = dirname(path);
  await makeDirectory(directory);
  const existed = (await readLength(path)) !== null;
  await withFile(path, existed ? "r+" : "w", async (file) => {
    await file.truncate(offset);
    await file.write(bytes, 0, bytes.length, offset);
    await file.sync();
  });
  if (!existed) await syncDirectory(directory);
}

async function readLength(path: string): Promise<number | null> {
  try {
    return await withFile(path, "r", async (file) => (await file.stat()).size);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function withFile<T>(path: string, flags: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // Every new directory is an entry of its parent, which must last as well.
  for (let made = directory; made.length >= first.length; made = dirname(made))
    await syncDirectory(dirname(made));
}

async function syncDirectory(directory: string): Promise<void> {
  await withFile(directory, "r", (handle) => handle.sync());
}
