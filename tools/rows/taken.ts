import type { SealedTable } from "@medvault/keys";
import type { Tx } from "@medvault/postgres";
import type { Deletion, FoundRow } from "./rows.ts";

type Declaration = SealedTable<object>["declaration"];

const WHOLE = "a whole restore brings it back with what belongs to it (docs/runbooks/restore.md).";

/** The row is not put back: it would undo what someone did, or stand alone. */
class Taken extends Error {}

/**
 * Throws, in plain words, for a row that putting back would give again to someone from whom it was
 * taken since the backup, or that would lack what belongs to it. `live` is the damaged row, if one
 * is there; `deleted` is asked where none is.
 */
export async function refuseWhatWasTaken(
  tx: Tx,
  declaration: Declaration,
  row: FoundRow,
  live: FoundRow | null,
  deleted: () => Promise<Deletion | null>,
): Promise<void> {
  const { service, table, subject } = declaration;
  if (!row.subject_key) throw new Taken(await withoutKey(tx, String(row[subject])));
  if (!live) {
    const gone = await deleted();
    if (gone)
      throw new Taken(`The row was deleted by someone (${gone.at.toISOString()}): it is not put back.`);
    if (table === "patients")
      throw new Taken(`The patient's row is gone, and all that belongs to it: ${WHOLE}`);
  }
  if (service === "files") return refuseFile(row, live);
  await refuseRecord(tx, table, row, live);
}

async function withoutKey(tx: Tx, subjectId: string): Promise<string> {
  const { rows } = await tx.query<{ at: Date }>(
    "select shredded_at as at from shreds where subject_id = $1",
    [subjectId],
  );
  if (rows[0]) return `The patient was erased (${rows[0].at.toISOString()}): nothing of them is put back.`;
  return `The patient's key is lost: ${WHOLE}`;
}

function refuseFile(row: FoundRow, live: FoundRow | null): void {
  if (live?.blob !== row.blob) throw new Taken(`The file's content may be gone with its row: ${WHOLE}`);
}

async function refuseRecord(tx: Tx, table: string, row: FoundRow, live: FoundRow | null): Promise<void> {
  if (table === "patients") await refuseLink(tx, row);
  if (!live && row.patient_id !== undefined) {
    const { rowCount } = await tx.query("select from patients where id = $1", [row.patient_id]);
    if (rowCount === 0) throw new Taken(`The row of its patient is gone: ${WHOLE}`);
  }
  if (table !== "medical_records") return;
  const { rows: hides } = await tx.query<{ at: Date }>(
    "select hidden_at as at from hides where table_name = $1 and row_id = $2",
    [table, row.id],
  );
  if (hides[0] && row.hidden_at === null)
    throw new Taken(
      `The record was hidden by someone (${hides[0].at.toISOString()}): it is not shown again.`,
    );
  const { rowCount } = await tx.query(
    "select from medical_record_versions where record_id = $1 and version >= $2 limit 1",
    [row.id, row.version],
  );
  if (rowCount !== 0)
    throw new Taken(
      `The record was revised after the backup, which has version ${row.version}: GET /v1/records/${row.id}/versions shows as much. Enter it again as a new record.`,
    );
}

async function refuseLink(tx: Tx, row: FoundRow): Promise<void> {
  const { rowCount } = await tx.query(
    "select from account_links where patient_id = $1 and user_id is distinct from $2",
    [row.id, row.user_id],
  );
  if (rowCount !== 0)
    throw new Taken(
      "The patient's account was changed after the backup, and the row would undo that: take a later backup, or a whole restore, which keeps the change (docs/runbooks/restore.md).",
    );
}
