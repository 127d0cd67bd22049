import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createOpenStream, createSealStream } from "@medvault/crypto";
import { BackupRefused } from "./backup.errors.ts";
import { partContext } from "./manifest.ts";

/** What passed a tap: length and SHA-256, lower-case hex. */
export interface Measured {
  bytes: number;
  sha256: string;
}

/**
 * The directory of all backups:
 *
 *     <id>/key  <id>/manifest  <id>/parts/<name>  <id>/blobs/<2>/<sha256>
 *     blobs/<2>/<sha256>      each once, however many backups hold it
 *     tmp-<id>/               one being made; never listed
 *
 * A backup's own `blobs` are hard links to the shared ones, so the file system counts who needs a blob: one with a
 * single link belongs to nobody any more.
 */
export class Archive {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Throws when the directory cannot be written to. For readiness. */
  async probe(): Promise<void> {
    const path = join(this.root, `tmp-probe-${randomUUID()}`);
    await (await open(path, "wx", 0o600)).close();
    await rm(path, { force: true });
  }

  folderOf(id: string): string {
    return join(this.root, assertId(id));
  }

  temporaryOf(id: string): string {
    return join(this.root, `tmp-${assertId(id)}`);
  }

  /** Whether anything of it lies here. */
  async holds(id: string): Promise<boolean> {
    const found = await Promise.all([stat(this.folderOf(id)), stat(this.temporaryOf(id))].map(exists));
    return found.includes(true);
  }

  async begin(id: string): Promise<string> {
    const folder = this.temporaryOf(id);
    await rm(folder, { recursive: true, force: true });
    await mkdir(join(folder, "parts"), { recursive: true, mode: 0o700 });
    await mkdir(join(folder, "blobs"), { mode: 0o700 });
    await mkdir(join(this.root, "blobs"), { recursive: true, mode: 0o700 });
    return folder;
  }

  /** Gives a finished backup its name: from here on it is there, and whole. */
  async publish(id: string): Promise<void> {
    const folder = this.temporaryOf(id);
    await syncTree(folder);
    await rename(folder, this.folderOf(id));
    await syncFolder(this.root);
  }

  /** Removes a backup, finished or not, and the blobs that only it held. */
  async remove(id: string): Promise<void> {
    await rm(this.temporaryOf(id), { recursive: true, force: true });
    await rm(this.folderOf(id), { recursive: true, force: true });
    await this.#dropUnlinkedBlobs();
  }

  blobOf(folder: string, sha256: string): string {
    return join(folder, "blobs", sha256.slice(0, 2), sha256);
  }

  /**
   * Takes a file's bytes into the backup under their hash, copying them only when no backup has them yet.
   * `expected` null means: whatever they are. Returns what they are; throws `RangeError` when they are not what was
   * expected, ENOENT when the file is gone.
   */
  async takeBlob(folder: string, source: string, expected: Measured | null): Promise<Measured> {
    if (expected && (await this.#has(expected))) {
      await this.#link(folder, expected.sha256);
      return expected;
    }
    const temporary = join(this.root, "blobs", `tmp-${randomUUID()}`);
    try {
      const tap = new Measure();
      const out = createWriteStream(temporary, { flags: "wx", mode: 0o600, flush: true });
      await pipeline(createReadStream(source), tap, out);
      const found = tap.result();
      if (expected && (found.sha256 !== expected.sha256 || found.bytes !== expected.bytes)) {
        throw new RangeError("the file is not what was expected");
      }
      if (!(await this.#has(found))) {
        const place = this.blobOf(this.root, found.sha256);
        await mkdir(join(place, ".."), { recursive: true, mode: 0o700 });
        await rename(temporary, place);
      }
      await this.#link(folder, found.sha256);
      return found;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #has({ sha256, bytes }: Measured): Promise<boolean> {
    const found = await stat(this.blobOf(this.root, sha256)).catch(() => null);
    return found?.size === bytes;
  }

  async #link(folder: string, sha256: string): Promise<void> {
    const place = this.blobOf(folder, sha256);
    await mkdir(join(place, ".."), { recursive: true, mode: 0o700 });
    await link(this.blobOf(this.root, sha256), place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }

  async #dropUnlinkedBlobs(): Promise<void> {
    const blobs = join(this.root, "blobs");
    for (const entry of await readdir(blobs).catch(() => [])) {
      if (entry.startsWith("tmp-")) await rm(join(blobs, entry), { force: true });
      else {
        for (const name of await readdir(join(blobs, entry))) {
          const path = join(blobs, entry, name);
          if ((await stat(path)).nlink === 1) await rm(path, { force: true });
        }
      }
    }
  }
}

/** Seals `plain` into a part's file. Resolves, with the sizes and hashes of both sides, when it is on the disk. */
export async function writePart(
  folder: string,
  backupId: string,
  key: Buffer,
  name: string,
  plain: Readable,
  signal: AbortSignal,
): Promise<{ plain: Measured; sealed: Measured }> {
  const before = new Measure();
  const after = new Measure();
  const seal = createSealStream(key, partContext(backupId, name));
  const out = createWriteStream(join(folder, "parts", name), { flags: "wx", mode: 0o600, flush: true });
  await pipeline(plain, before, seal, after, out, { signal });
  return { plain: before.result(), sealed: after.result() };
}

/**
 * A part's plain content, proved chunk by chunk; the end of the stream says that it is whole and has the hash that
 * the manifest names. Fails with `BackupRefused` part_missing or part_damaged: keep nothing of a stream that failed.
 */
export async function* readPart(
  folder: string,
  backupId: string,
  key: Buffer,
  part: { name: string; sha256: string; sealedSha256: string },
): AsyncGenerator<Buffer> {
  const before = new Measure();
  const after = new Measure(() => {
    if (before.result().sha256 !== part.sealedSha256 || after.result().sha256 !== part.sha256) {
      throw new BackupRefused("part_damaged");
    }
  });
  const open = createOpenStream(key, partContext(backupId, part.name));
  const done = pipeline(createReadStream(join(folder, "parts", part.name)), before, open, after);
  done.catch(() => {}); // the iteration below meets the same error
  try {
    for await (const chunk of after) yield chunk as Buffer;
    await done;
  } catch (error) {
    throw refusalOf(error as NodeJS.ErrnoException);
  }
}

function refusalOf(error: NodeJS.ErrnoException): Error {
  if (error instanceof BackupRefused) return error;
  return new BackupRefused(error.code === "ENOENT" ? "part_missing" : "part_damaged", error);
}

/** Length and hash of a file's bytes. */
export async function measureFile(path: string): Promise<Measured> {
  const tap = new Measure();
  tap.resume();
  await pipeline(createReadStream(path), tap);
  return tap.result();
}

/** Writes a small file so that it is there after a power cut. */
export async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

export async function readSmallFile(path: string, maxBytes: number): Promise<Buffer | null> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile() || found.size > maxBytes) return null;
  return readFile(path);
}

/** Lets bytes pass and measures them. */
export class Measure extends Transform {
  readonly #hash = createHash("sha256");
  readonly #onEnd: (() => void) | undefined;
  #bytes = 0;
  #result: Measured | null = null;

  constructor(onEnd?: () => void) {
    super();
    this.#onEnd = onEnd;
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (e?: Error | null, c?: Buffer) => void,
  ) {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    done(null, chunk);
  }

  override _flush(done: (error?: Error | null) => void): void {
    try {
      this.#onEnd?.();
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  result(): Measured {
    this.#result ??= { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
    return this.#result;
  }
}

function exists(found: Promise<unknown>): Promise<boolean> {
  return found.then(
    () => true,
    () => false,
  );
}

function assertId(id: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw new RangeError("not a backup's id");
  return id;
}

/** Makes the names in a folder last through a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync().finally(() => folder.close());
}

async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncTree(join(path, entry.name));
  }
  await syncFolder(path);
}
