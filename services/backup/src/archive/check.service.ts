import type { z } from "zod";
import type { Progress } from "../work/progress.ts";
import { BackupRefused } from "./archive.errors.ts";
import { blobPath, measureFile } from "./archive.store.ts";
import { CopyRowCounter } from "./copy-format.ts";
import { fromLines } from "./lines.ts";
import type { OpenedBackup } from "./manifest.store.ts";
import { AuditLine, FileLine, type Part } from "./manifest.ts";
import type { Measured } from "./measure.ts";
import { readPart } from "./part.store.ts";

/**
 * Proves that an opened backup is whole, reading every byte of it once in bounded memory: each part
 * has the hash of the manifest, decrypts chunk by chunk, and holds as many rows as were copied;
 * each blob is there and has its hash. Throws `BackupRefused` with the first that is not so. It
 * does not prove that the rows open: their keys are those of the services, which backup never has.
 */
export async function checkBackup(backup: OpenedBackup, check: Check): Promise<void> {
  if (check.progress) check.progress.stage = "verifying";
  for (const part of backup.manifest.parts) {
    check.signal.throwIfAborted();
    const rows = await COUNTS[part.kind](backup, part, check);
    if (rows !== part.rows) throw new BackupRefused("rows_differ");
  }
}

interface Check {
  readonly signal: AbortSignal;
  readonly progress?: Progress;
}

type Count = (backup: OpenedBackup, part: Part, check: Check) => Promise<number>;

const COUNTS: Readonly<Record<Part["kind"], Count>> = {
  table: countRows,
  keys: countRows,
  files: (backup, part, check) => countBlobs(backup, fileLines(backup, part), check),
  audit: (backup, part, check) => countBlobs(backup, linesOf(backup, part, AuditLine), check),
};

/** The files that the backup lists. Throws `BackupRefused` part_missing or part_damaged. */
export function fileLines(backup: OpenedBackup, part: Part): AsyncGenerator<FileLine> {
  return linesOf(backup, part, FileLine);
}

async function countRows(backup: OpenedBackup, part: Part, { signal, progress }: Check): Promise<number> {
  const counter = new CopyRowCounter();
  const share = progress?.share(part.sealedBytes);
  for await (const chunk of readPart(backup, part)) {
    signal.throwIfAborted();
    counter.push(chunk);
    share?.add(chunk.length);
  }
  share?.end();
  try {
    return counter.finish();
  } catch (error) {
    throw new BackupRefused("part_damaged", error);
  }
}

async function countBlobs(
  backup: OpenedBackup,
  lines: AsyncIterable<Measured & { missing?: string | undefined }>,
  { signal, progress }: Check,
): Promise<number> {
  let count = 0;
  for await (const line of lines) {
    signal.throwIfAborted();
    if (!line.missing) {
      await checkBlob(backup, line);
      progress?.share(line.bytes).end();
    }
    count += 1;
  }
  return count;
}

async function checkBlob({ folder }: OpenedBackup, expected: Measured): Promise<void> {
  const found = await measureFile(blobPath(folder, expected.sha256)).catch((error: unknown) => {
    throw new BackupRefused("blob_missing", error);
  });
  if (found.sha256 !== expected.sha256 || found.bytes !== expected.bytes)
    throw new BackupRefused("blob_damaged");
}

/** A part that authenticates but has no such lines is none of ours: it counts as damaged. */
async function* linesOf<T>(backup: OpenedBackup, part: Part, schema: z.ZodType<T>): AsyncGenerator<T> {
  try {
    yield* fromLines(readPart(backup, part), schema);
  } catch (error) {
    throw error instanceof BackupRefused ? error : new BackupRefused("part_damaged", error);
  }
}
