import { randomUUID } from "node:crypto";
import { access, constants, type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
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
  // Not the process id: two containers that share the directory are both number 1.
  const aside = join(directory, `.${randomUUID()}.tmp`);
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
 * Writes `bytes` at `offset` of a file that is made when it is not there, over the torn end that a crash may have
 * left, and makes it last. It cuts nothing off: a writer that was replaced and does not know it yet writes the same
 * bytes to the same place, and must not take away what its successor put behind them.
 */
export async function writeAtDurably(path: string, offset: number, bytes: Buffer): Promise<void> {
  const directory = dirname(path);
  await makeDirectory(directory);
  const existed = await isThere(path);
  await withFile(path, constants.O_RDWR | constants.O_CREAT, async (file) => {
    // A disk that is nearly full takes a part and says so; the next write then gets the error.
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
    await file.sync();
  });
  if (!existed) await syncDirectory(directory);
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function withFile<T>(
  path: string,
  flags: string | number,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
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
