import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "@medvault/keys";
import { BackupRefused } from "../archive/archive.errors.ts";
import { blobPath, copyMeasured, measureFile } from "../archive/archive.store.ts";
import { fileLines } from "../archive/check.service.ts";
import type { OpenedBackup } from "../archive/manifest.store.ts";
import type { FileLine } from "../archive/manifest.ts";

/** The files service sweeps no blob while this mark is younger than ten minutes. */
const MARK_EVERY_MS = 30_000;

/**
 * Puts back every blob of the backup that the files service lacks, or has with other bytes. What is
 * there and right is read, not written. Additive: a blob that no row points to is swept by the
 * files service later. Returns how many were put back. Throws `BackupRefused`.
 */
export async function putBlobsBack(backup: OpenedBackup, filesDir: string): Promise<number> {
  const part = backup.manifest.parts.find(({ kind }) => kind === "files");
  if (!part) throw new BackupRefused("part_missing");
  let count = 0;
  for await (const file of fileLines(backup, part)) {
    if (file.missing) continue;
    const place = join(filesDir, "blobs", file.blob.slice(0, 2), file.blob);
    if (await isRight(place, file)) continue;
    await putBack(blobPath(backup.folder, file.sha256), place, file);
    count += 1;
  }
  return count;
}

async function isRight(path: string, expected: FileLine): Promise<boolean> {
  const found = await measureFile(path).catch(() => null);
  return found?.sha256 === expected.sha256 && found.bytes === expected.bytes;
}

async function putBack(source: string, place: string, expected: FileLine): Promise<void> {
  await mkdir(dirname(place), { recursive: true, mode: 0o700 });
  // Beside its place, so that the rename is one; the files service takes no such name for a blob.
  const draft = `${place}.${randomUUID()}`;
  try {
    const { sha256 } = await copyMeasured(source, draft);
    if (sha256 !== expected.sha256) throw new BackupRefused("blob_damaged");
    await rename(draft, place);
    await syncDirectory(dirname(place));
  } finally {
    await rm(draft, { force: true });
  }
}

/** Sets the mark and keeps it fresh while `work` runs. */
export async function markRestoring<T>(filesDir: string, work: () => Promise<T>): Promise<T> {
  const mark = join(filesDir, "restoring");
  await writeFile(mark, "", { mode: 0o600 });
  const timer = setInterval(() => {
    const now = new Date();
    // An old mark only means that the sweep waits for its own 15 minutes.
    utimes(mark, now, now).catch(() => {});
  }, MARK_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await rm(mark, { force: true });
  }
}
