import { BackupRefused } from "../archive/archive.errors.ts";
import { readTuples, type Tuple } from "../archive/copy-format.ts";
import { type OpenedBackup, openBackup } from "../archive/manifest.store.ts";
import type { Part } from "../archive/manifest.ts";
import { readPart } from "../archive/part.store.ts";
import type { ArchiveContext } from "../context.ts";
import { hashesOf } from "../keysets/keyset.store.ts";
import { RestoreFailed } from "./restore.errors.ts";

/** A row holds at most what a request may bring: a bundle of 16 MiB. */
const MAX_ROW_BYTES = 32 * 1024 * 1024;

/** A row as COPY has it, in binary. */
export interface BackedUpRow {
  readonly madeAt: string;
  readonly fields: ReadonlyMap<string, Buffer | null>;
}

/**
 * One row of a backup, out of a part that is proved whole; null when the backup has no such row.
 * Throws `BackupRefused`, and `RestoreFailed` backup_gone or table_unknown.
 */
export async function findBackedUpRow(
  context: Pick<ArchiveContext, "pool" | "keyring" | "archiveDir">,
  backupId: string,
  { schema, table, id }: { schema: string; table: string; id: string },
): Promise<BackedUpRow | null> {
  const expected = await hashesOf(context.pool, backupId);
  if (!expected) throw new RestoreFailed("backup_gone");
  const backup = await openBackup(context, backupId, expected);
  try {
    const part = backup.manifest.parts.find(
      (one) => one.kind === "table" && one.schema === schema && one.table === table,
    );
    if (!part) throw new RestoreFailed("table_unknown");
    const tuple = await findTuple(backup, part, id);
    const fields = new Map(part.columns.map((column, at) => [column, tuple?.[at] ?? null]));
    return tuple && { madeAt: backup.manifest.createdAt, fields };
  } finally {
    backup.key.fill(0);
  }
}

/** Reads the part to its end, which is what proves it. */
async function findTuple(backup: OpenedBackup, part: Part, id: string): Promise<Tuple | null> {
  const wanted = Buffer.from(id.replaceAll("-", ""), "hex");
  const at = part.columns.indexOf("id");
  let found: Tuple | null = null;
  try {
    for await (const tuple of readTuples(readPart(backup, part), MAX_ROW_BYTES))
      if (tuple[at]?.equals(wanted)) found = tuple;
  } catch (error) {
    throw error instanceof BackupRefused ? error : new BackupRefused("part_damaged", error);
  }
  return found;
}
