import type { Db, Tx } from "@medvault/postgres";
import type { Columns } from "./entry.ts";
import { type Numbered, recordSequences, sequenceValues } from "./sequence.store.ts";

/** One row to append: its columns, the leaf and the sealed body. */
export interface NewRow extends Columns {
  readonly leaf: Buffer;
  readonly sealed: Buffer;
}

/** One stored row. */
export interface LogRow extends NewRow {
  readonly idx: number;
}

/** A row of the log as LogRow has it. */
export const LOG_ROW = `idx, id, floor(extract(epoch from occurred_at) * 1000)::bigint as "occurredAt", type, producer, epoch,
            seq, actor_id as "actorId", actor_role as "actorRole", patient_ids as "patientIds", subject, action, outcome,
            purpose, ip, request_id as "requestId", leaf, sealed`;

/** What a row of the log is appended by, in the order of the statement below. */
const APPENDED = [
  ...([
    "id",
    "occurredAt",
    "type",
    "producer",
    "epoch",
    "seq",
    "actorId",
    "actorRole",
    "patientIds",
  ] as const),
  ...(["subject", "action", "outcome", "purpose", "ip", "requestId", "leaf", "sealed"] as const),
];

const APPEND = `with held as materialized (select from writer where epoch = $24 and size = $1::bigint for update),
     appended as (
     insert into log (idx, id, occurred_at, type, producer, epoch, seq, actor_id, actor_role, patient_ids, subject,
                      action, outcome, purpose, ip, request_id, leaf, sealed)
     select $1::bigint + n - 1, id, to_timestamp(ms / 1000.0), type, producer, epoch, seq, actor_id, actor_role,
            patient_ids::uuid[], subject, action, outcome, purpose, ip, request_id, leaf, sealed
       from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
                   $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
                   $17::bytea[], $18::bytea[])
            with ordinality as new (id, ms, type, producer, epoch, seq, actor_id, actor_role, patient_ids, subject,
                                    action, outcome, purpose, ip, request_id, leaf, sealed, n)
      where exists (select from held) and (select coalesce(max(idx) + 1, 0) from log) = $1::bigint
     returning idx),
     size as (update writer set size = (select max(idx) + 1 from appended) where exists (select from appended)),
     numbers as (${recordSequences(19, "exists (select from appended)")})
     select count(*)::int as appended from appended`;

/**
 * Appends rows at `expectedSize`, moves the size that the next append expects, and records the
 * numbers that arrived; does nothing unless this epoch's writer and the table end exactly there.
 * Gives the number of rows that went in: all or none. Throws where the log has one of the events
 * (`isKnownEvent`).
 */
export async function appendRows(
  tx: Tx,
  epoch: number,
  expectedSize: number,
  rows: readonly NewRow[],
  numbers: readonly Numbered[],
): Promise<number> {
  const { rows: counts } = await tx.query<{ appended: number }>(APPEND, [
    expectedSize,
    ...APPENDED.map((column) =>
      // unnest flattens arrays of arrays, so each set travels as the literal of its own array.
      rows.map((row) => (column === "patientIds" ? `{${row.patientIds.join(",")}}` : row[column])),
    ),
    ...sequenceValues(numbers),
    epoch,
  ]);
  return counts[0]?.appended ?? 0;
}

/**
 * Whether an append failed since the log has one of its events; the first partition still has the
 * constraint of its own that it had as the whole log.
 */
export const isKnownEvent = (error: unknown): boolean =>
  ["log_ids_pkey", "log_id_key"].includes(String((error as { constraint?: unknown }).constraint));

/** Those of the event ids that the log holds. */
export async function knownIds(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ id: string }>("select id from log_ids where id = any($1::uuid[])", [ids]);
  return new Set(rows.map(({ id }) => id));
}

/** How many leaves the table says it has: one more than its last index. */
export async function tableSize(db: Db): Promise<number> {
  const { rows } = await db.query<{ size: number }>("select coalesce(max(idx) + 1, 0) as size from log");
  return rows[0]?.size ?? 0;
}

/** The next rows from index `from` on, in order, at most `limit`, up to but not including `to`. */
export async function rowsFrom(db: Db, from: number, to: number, limit: number): Promise<LogRow[]> {
  const { rows } = await db.query<LogRow>(
    `select ${LOG_ROW} from log where idx >= $1 and idx < $2 order by idx limit $3`,
    [from, to, limit],
  );
  return rows;
}

/** What the tree and the store outside need of the next rows. */
export type LeafRow = Pick<LogRow, "idx" | "id" | "leaf" | "sealed">;

/** As rowsFrom, with the leaves and sealed bodies alone. */
export async function leafRowsFrom(db: Db, from: number, limit: number): Promise<LeafRow[]> {
  const { rows } = await db.query<LeafRow>(
    "select idx, id, leaf, sealed from log where idx >= $1 order by idx limit $2",
    [from, limit],
  );
  return rows;
}

/** Leaves alone, `from` up to but not including `to`; a missing row is missing in the answer. */
export async function leavesBetween(
  db: Db,
  from: number,
  to: number,
): Promise<{ idx: number; leaf: Buffer }[]> {
  const { rows } = await db.query<{ idx: number; leaf: Buffer }>(
    "select idx, leaf from log where idx >= $1 and idx < $2 order by idx",
    [from, to],
  );
  return rows;
}

/** One row by its event's id. */
export async function rowById(db: Db, id: string): Promise<LogRow | null> {
  const { rows } = await db.query<LogRow>(
    `select ${LOG_ROW} from log where idx = (select idx from log_ids where id = $1) and id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/** The newest rows whose column says this type, at `since` or later. */
export async function newestOfType(db: Db, type: string, since: Date, limit: number): Promise<LogRow[]> {
  const { rows } = await db.query<LogRow>(
    `select ${LOG_ROW} from log where type = $1 and occurred_at >= $2 order by occurred_at desc, idx desc limit $3`,
    [type, since, limit],
  );
  return rows;
}
