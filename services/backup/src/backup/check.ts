import { type Archive, measureFile, readPart } from "./archive.ts";
import { BackupRefused } from "./backup.errors.ts";
import { CopyRowCounter } from "./copy-rows.ts";
import { fromLines } from "./lines.ts";
import { AuditLine, FileLine, type Part } from "./manifest.ts";
import type { OpenedBackup } from "./seal-manifest.ts";

/**
 * Proves that an opened backup is whole, reading every byte of it once in bounded memory: each part has the hash of
 * the manifest, decrypts chunk by chunk, and holds as many rows as were copied; each blob is there and has its hash.
 * Throws `BackupRefused` with the first that is not so. What it does not prove is that the rows open: their keys are
 * the services', which backup never has.
 */
export async function checkBackup(
  archive: Archive,
  backup: OpenedBackup,
  signal: AbortSignal,
): Promise<void> {
  for (const part of backup.manifest.parts) {
    signal.throwIfAborted();
    const rows = await CHECKS[part.kind](archive, backup, part, signal);
    if (rows !== part.rows) throw new BackupRefused("rows_differ");
  }
}

type Check = (archive: Archive, backup: OpenedBackup, part: Part, signal: AbortSignal) => Promise<number>;

const CHECKS: Readonly<Record<Part["kind"], Check>> = {
  table: checkRows,
  keys: checkRows,
  files: async (archive, backup, part, signal) => {
    let rows = 0;
    for await (const file of fileLines(backup, part)) {
      signal.throwIfAborted();
      if (!file.missing) await checkBlob(archive, backup, file);
      rows += 1;
    }
    return rows;
  },
  audit: async (archive, backup, part, signal) => {
    let rows = 0;
    const bytes = readPart(backup.folder, backup.id, backup.key, part);
    for await (const line of asDamage(fromLines(bytes, AuditLine))) {
      signal.throwIfAborted();
      await checkBlob(archive, backup, line);
      rows += 1;
    }
    return rows;
  },
};

/** The files that the backup lists. Throws `BackupRefused` part_missing or part_damaged. */
export function fileLines(backup: OpenedBackup, part: Part): AsyncGenerator<FileLine> {
  return asDamage(fromLines(readPart(backup.folder, backup.id, backup.key, part), FileLine));
}

async function checkRows(_archive: Archive, backup: OpenedBackup, part: Part): Promise<number> {
  const counter = new CopyRowCounter();
  for await (const chunk of readPart(backup.folder, backup.id, backup.key, part)) counter.push(chunk);
  try {
    return counter.finish();
  } catch (error) {
    throw new BackupRefused("part_damaged", error);
  }
}

async function checkBlob(
  archive: Archive,
  backup: OpenedBackup,
  expected: { sha256: string; bytes: number },
): Promise<void> {
  const path = archive.blobOf(backup.folder, expected.sha256);
  const found = await measureFile(path).catch((error: unknown) => {
    throw new BackupRefused("blob_missing", error);
  });
  if (found.sha256 !== expected.sha256 || found.bytes !== expected.bytes)
    throw new BackupRefused("blob_damaged");
}

/** A part that authenticates and holds no such lines was not written by us; to the caller it is damaged. */
async function* asDamage<T>(lines: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* lines;
  } catch (error) {
    throw error instanceof BackupRefused ? error : new BackupRefused("part_damaged", error);
  }
}
