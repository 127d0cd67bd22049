import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, opendir, readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { ByteTarget } from "@medvault/crypto";
import { probeDirectory, syncDirectory } from "@medvault/keys";

/** Another machine's unfinished uploads are dead when nothing wrote to them for this long. */
const FOREIGN_TEMP_MS = 60 * 60 * 1000;

/** Ciphertext on disk under a random name. `sha256` is that of the ciphertext, lower-case hex. */
export interface Blob {
  name: string;
  bytes: number;
  sha256: string;
}

/** Reads at any place of a blob. `read` returns fewer bytes than asked only at the end. */
export interface BlobReader {
  bytes: number;
  read(at: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * A directory of encrypted blobs: rows point to `blobs/<2>/<uuid>`; what is being received is in
 * `tmp/<host>.<pid>.<random>/`. A blob gets its name by rename, after its bytes are on the disk: a
 * name always stands for a whole blob, and what a killed process left is in its own directory.
 */
export class BlobStore {
  readonly #root: string;
  readonly #temp: string;

  private constructor(root: string, temp: string) {
    this.#root = root;
    this.#temp = temp;
  }

  /** Makes the directories, sweeps what dead processes left. Throws if it cannot write. */
  static async open(root: string): Promise<BlobStore> {
    await mkdir(join(root, "blobs"), { recursive: true, mode: 0o700 });
    await mkdir(join(root, "tmp"), { recursive: true, mode: 0o700 });
    await sweepTemp(join(root, "tmp"));
    const temp = join(root, "tmp", `${hostname()}.${process.pid}.${randomUUID()}`);
    await mkdir(temp, { mode: 0o700 });
    return new BlobStore(root, temp);
  }

  /**
   * Lets `fill` write to a temporary file, and waits until that is on the disk. Throws what `fill`
   * and the disk throw, and then nothing is left.
   */
  async receive(fill: (to: ByteTarget) => Promise<unknown>): Promise<Blob> {
    const name = randomUUID();
    const path = join(this.#temp, name);
    const file = await open(path, "wx", 0o600);
    try {
      const written = new HashedFile(file);
      try {
        await fill(written);
        await file.sync();
      } finally {
        await file.close();
      }
      return { name, ...written.result() };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Gives received blobs their lasting names, durably. */
  async keep(blobs: readonly Blob[]): Promise<void> {
    const folders = new Set<string>();
    for (const { name } of blobs) {
      const folder = this.#folder(name);
      if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) {
        folders.add(join(this.#root, "blobs"));
      }
      await rename(join(this.#temp, name), join(folder, name));
      folders.add(folder);
    }
    for (const folder of folders) await syncDirectory(folder);
  }

  /** Removes blobs, wherever they are; those that are not there are no error. */
  async discard(names: readonly string[]): Promise<void> {
    for (const name of names) {
      await rm(join(this.#temp, name), { force: true });
      await rm(join(this.#folder(name), name), { force: true });
    }
  }

  /** Opens a blob to read. Throws (ENOENT) when it is gone. */
  async read(name: string): Promise<BlobReader> {
    const file = await open(join(this.#folder(name), name), "r");
    const { size } = await file.stat();
    return {
      bytes: size,
      read: (at, length) => readFully(file, at, length),
      close: () => file.close(),
    };
  }

  /** Names of the kept blobs that have lain there for at least `minAgeMs`, in no order. */
  async *kept(minAgeMs: number): AsyncGenerator<string> {
    const before = Date.now() - minAgeMs;
    for (const folder of await readdir(join(this.#root, "blobs"))) {
      for await (const entry of await opendir(join(this.#root, "blobs", folder))) {
        const found = await stat(join(this.#root, "blobs", folder, entry.name)).catch(() => null);
        if (found?.isFile() && found.ctimeMs <= before) yield entry.name;
      }
    }
  }

  /** True while a restore is putting back blobs without rows (services/backup touches the mark). */
  async restoring(): Promise<boolean> {
    const mark = await stat(join(this.#root, "restoring")).catch(() => null);
    return mark !== null && mark.mtimeMs > Date.now() - 10 * 60 * 1000;
  }

  /** Throws when the store cannot be written to. For readiness. */
  async probe(): Promise<void> {
    await probeDirectory(this.#temp);
  }

  async close(): Promise<void> {
    await rm(this.#temp, { recursive: true, force: true });
  }

  #folder(name: string): string {
    if (!/^[0-9a-f-]{36}$/.test(name)) throw new RangeError("not a blob's name");
    return join(this.#root, "blobs", name.slice(0, 2));
  }
}

/** Counts and hashes what it writes. */
class HashedFile implements ByteTarget {
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  #bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(from: Buffer, at: number, length: number): Promise<{ bytesWritten: number }> {
    const { bytesWritten } = await this.#file.write(from, at, length, null);
    this.#hash.update(from.subarray(at, at + bytesWritten));
    this.#bytes += bytesWritten;
    return { bytesWritten };
  }

  result(): { bytes: number; sha256: string } {
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }
}

async function readFully(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** A directory of this host is dead if its process is; our pid in it is an older container's. */
async function sweepTemp(root: string): Promise<void> {
  for (const entry of await readdir(root)) {
    const [, host, pid] = /^(.+)\.(\d+)\.[0-9a-f-]{36}$/.exec(entry) ?? [];
    const path = join(root, entry);
    const dead = host === hostname() ? !isRunning(Number(pid)) : await isOlderThan(path, FOREIGN_TEMP_MS);
    if (dead) await rm(path, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function isOlderThan(path: string, ms: number): Promise<boolean> {
  const newest = await newestChange(path);
  return newest !== null && newest < Date.now() - ms;
}

async function newestChange(folder: string): Promise<number | null> {
  const own = await stat(folder).catch(() => null);
  if (!own) return null;
  const names = await readdir(folder).catch(() => []);
  const inside = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => null)));
  return Math.max(own.mtimeMs, ...inside.map((found) => found?.mtimeMs ?? 0));
}
