import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { link, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { syncDirectory } from "@medvault/keys";
import { Measure, type Measured } from "./measure.ts";

// The directory of all backups, `root` below:
//
//     <id>/key  <id>/manifest  <id>/parts/<name>  <id>/blobs/<2>/<sha256>
//     blobs/<2>/<sha256>      each once, however many backups hold it
//     tmp-<id>/               one that is being made; never listed
//
// The `blobs` of a backup are hard links to the shared ones, so the file system counts which
// backups need a blob: one with a single link belongs to none any more.

const DRAFT_PREFIX = "tmp-";

/** The folder of a finished backup. */
export function folderOf(root: string, id: string): string {
  return join(root, requireId(id));
}

function draftFolderOf(root: string, id: string): string {
  return join(root, `${DRAFT_PREFIX}${requireId(id)}`);
}

/** Whether anything of a backup is here. */
export async function holdsBackup(root: string, id: string): Promise<boolean> {
  const places = [folderOf(root, id), draftFolderOf(root, id)];
  return (await Promise.all(places.map((path) => stat(path).catch(() => null)))).some(Boolean);
}

/** Makes the empty folder of a backup that is being made. */
export async function beginDraft(root: string, id: string): Promise<string> {
  const folder = draftFolderOf(root, id);
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "parts"), { recursive: true, mode: 0o700 });
  await mkdir(join(folder, "blobs"), { mode: 0o700 });
  await mkdir(join(root, "blobs"), { recursive: true, mode: 0o700 });
  return folder;
}

/** Gives a finished backup its name: from here on it is there, and whole. */
export async function publishDraft(root: string, id: string): Promise<void> {
  const folder = draftFolderOf(root, id);
  await syncTree(folder);
  await rename(folder, folderOf(root, id));
  await syncDirectory(root);
}

/** Removes a backup, finished or not, and the blobs that no other holds. */
export async function removeBackup(root: string, id: string): Promise<void> {
  await rm(draftFolderOf(root, id), { recursive: true, force: true });
  await rm(folderOf(root, id), { recursive: true, force: true });
  await dropUnlinkedBlobs(root);
}

/** Where a blob lies in the folder of a backup, or among the shared ones. */
export function blobPath(folder: string, sha256: string): string {
  return join(folder, "blobs", sha256.slice(0, 2), sha256);
}

/**
 * Takes the bytes of a file into the backup under their hash, copying them only when no backup has
 * them yet. `expected` null: whatever they are. Returns what they are. Throws `RangeError` when
 * they are not what was expected, ENOENT when the file is gone.
 */
export async function takeBlob(
  root: string,
  folder: string,
  source: string,
  expected: Measured | null,
): Promise<Measured> {
  if (expected && (await hasBlob(root, expected))) {
    await linkBlob(root, folder, expected.sha256);
    return expected;
  }
  const draft = join(root, "blobs", `${DRAFT_PREFIX}${randomUUID()}`);
  try {
    const found = await copyMeasured(source, draft);
    if (expected && (found.sha256 !== expected.sha256 || found.bytes !== expected.bytes)) {
      throw new RangeError("the file is not what was expected");
    }
    if (!(await hasBlob(root, found))) {
      const place = blobPath(root, found.sha256);
      await mkdir(dirname(place), { recursive: true, mode: 0o700 });
      await rename(draft, place);
    }
    await linkBlob(root, folder, found.sha256);
    return found;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Copies a file into a new one of mode 0600. Resolves when its bytes are on the disk. */
export async function copyMeasured(source: string, target: string): Promise<Measured> {
  const measure = new Measure();
  const out = createWriteStream(target, { flags: "wx", mode: 0o600, flush: true });
  await pipeline(createReadStream(source), measure, out);
  return measure.result();
}

/** Length and hash of a file's bytes. */
export async function measureFile(path: string): Promise<Measured> {
  const measure = new Measure();
  measure.resume();
  await pipeline(createReadStream(path), measure);
  return measure.result();
}

/** The bytes of a file; null when there is none, or it has more than `maxBytes`. */
export async function readSmallFile(path: string, maxBytes: number): Promise<Buffer | null> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile() || found.size > maxBytes) return null;
  return readFile(path);
}

async function hasBlob(root: string, { sha256, bytes }: Measured): Promise<boolean> {
  const found = await stat(blobPath(root, sha256)).catch(() => null);
  return found?.size === bytes;
}

async function linkBlob(root: string, folder: string, sha256: string): Promise<void> {
  const place = blobPath(folder, sha256);
  await mkdir(dirname(place), { recursive: true, mode: 0o700 });
  await link(blobPath(root, sha256), place).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function dropUnlinkedBlobs(root: string): Promise<void> {
  const blobs = join(root, "blobs");
  for (const entry of await readdir(blobs).catch(() => [])) {
    if (entry.startsWith(DRAFT_PREFIX)) {
      await rm(join(blobs, entry), { force: true });
      continue;
    }
    for (const name of await readdir(join(blobs, entry))) {
      const path = join(blobs, entry, name);
      if ((await stat(path)).nlink === 1) await rm(path, { force: true });
    }
  }
}

function requireId(id: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw new RangeError("not a backup's id");
  return id;
}

async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncTree(join(path, entry.name));
  }
  await syncDirectory(path);
}
