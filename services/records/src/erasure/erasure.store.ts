import type { Actor } from "@medvault/contracts";
import type { Ed25519PublicJwk, SignedErasure } from "@medvault/crypto";
import { type Db, ddl, type Tx } from "@medvault/postgres";
import { chartIds, reachOf } from "../access/reach.ts";
import { takeTurns } from "../patients/merge.store.ts";
import type { Erasure, PartName, Subject } from "./erasure.ts";

/** What may take longer than a statement of a request does. */
const ERASES_WITHIN = "60s";
const WAITS_AT_MOST = "20s";
const CHART = `select p.id, p.user_id from patients p where p.id = any(${chartIds("$1")}) order by p.id`;

/**
 * The chart that an id leads to, all of it; null where there is none. Held until the transaction
 * ends: a write of the chart waits, and finds nobody then. Writes that hold one of its rows are
 * waited for first, since they need the patient as well.
 */
export async function lockSubject(tx: Tx, actor: Actor, patientId: string): Promise<Subject | null> {
  reachOf(actor, "erasure:write");
  const { rows } = await tx.query<{ id: string }>(`${CHART} for no key update of p`, [patientId]);
  const ids = rows.map(({ id }) => id);
  if (ids.length === 0) return null;
  for (const [table, column] of await tablesOfPatients(tx)) {
    await tx.query(ddl("select from %I where %I = any($1::uuid[]) order by id for update", table, column), [
      ids,
    ]);
  }
  const held = await tx.query<{ id: string; user_id: string | null }>(`${CHART} for update of p`, [
    patientId,
  ]);
  return { ids, accountId: held.rows.find((row) => row.user_id)?.user_id ?? null };
}

/**
 * Until the transaction ends nobody else erases or merges: numbers have no gaps, and a chart stays
 * what it is.
 */
export async function holdLedger(tx: Tx, actor: Actor): Promise<void> {
  reachOf(actor, "erasure:write");
  await tx.query(`select set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)`, [
    ERASES_WITHIN,
    WAITS_AT_MOST,
  ]);
  await takeTurns(tx);
}

/**
 * Deletes every row of these patients. Gives the ids of the rows that were theirs: other places
 * know them by these.
 */
export async function deleteRows(tx: Tx, actor: Actor, patientIds: readonly string[]): Promise<string[]> {
  reachOf(actor, "erasure:write");
  const rowIds: string[] = [...patientIds];
  for (const [table, column] of await tablesOfPatients(tx)) {
    const found = ddl("select id from %I where %I = any($1::uuid[])", table, column);
    const { rows } = await tx.query<{ id: string }>(found, [patientIds]);
    for (const { id } of rows) rowIds.push(id);
  }
  for (const statement of DELETIONS) await tx.query(statement, [patientIds]);
  await tx.query("delete from hides where row_id = any($1::uuid[])", [rowIds]);
  // Auth drops what it was told of with the account.
  await tx.query("delete from reminders where row_id = any($1::uuid[])", [rowIds]);
  return rowIds;
}

/** Tables whose rows have an id and say which patient they are about, in one order. */
async function tablesOfPatients(tx: Tx): Promise<[table: string, column: string][]> {
  const { rows } = await tx.query<{ table: string; column: string }>(
    `select c.relname as table, a.attname as column
       from pg_class c
       join pg_attribute a on a.attrelid = c.oid and a.attname in ('patient_id', 'subject_id')
       join pg_attribute i on i.attrelid = c.oid and i.attname = 'id'
      where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' order by 1, 2`,
  );
  return rows.map(({ table, column }) => [table, column]);
}

/** Rows that do not go with their patient's; that one comes last, and takes all others along. */
const DELETIONS = [
  "delete from fhir_resources where subject_id = any($1::uuid[])",
  "delete from fhir_sources where subject_id = any($1::uuid[])",
  "delete from care_team_ends where patient_id = any($1::uuid[])",
  "delete from account_links where patient_id = any($1::uuid[])",
  "delete from patient_unmerges where from_id = any($1::uuid[]) or into_id = any($1::uuid[])",
  "delete from patients where id = any($1::uuid[])",
] as const;

interface LedgerRow {
  number: number;
  patient_ids: string[];
  erased_at: Date;
  previous: string | null;
  public_key: Ed25519PublicJwk;
  signature: Buffer;
  account_id: string | null;
  erased_by: string;
  event_id: string;
  keys_destroyed_at: Date | null;
  parts: { service: string; done_at: string; keys_final_at: string | null }[] | null;
}

const LEDGER = `select l.*, (select json_agg(p) from erasure_parts p where p.number = l.number) as parts
       from erasure_ledger l`;

function erasureOf(row: LedgerRow): Erasure {
  const parts = (row.parts ?? []).map(({ service, done_at: doneAt, keys_final_at: finalAt }) => {
    const part = { doneAt: new Date(doneAt), keysFinalAt: finalAt === null ? null : new Date(finalAt) };
    return [service, part] as const;
  });
  return {
    number: row.number,
    patientIds: row.patient_ids,
    erasedAt: row.erased_at.toISOString(),
    previous: row.previous,
    publicKey: row.public_key,
    signature: row.signature.toString("base64"),
    accountId: row.account_id,
    erasedBy: row.erased_by,
    eventId: row.event_id,
    keysDestroyedAt: row.keys_destroyed_at,
    parts: new Map(parts),
  };
}

/** The erasure of whoever had this id. */
export async function findErasure(db: Db, patientId: string): Promise<Erasure | null> {
  const { rows } = await db.query<LedgerRow>(`${LEDGER} where l.patient_ids @> array[$1::uuid]`, [patientId]);
  return rows[0] ? erasureOf(rows[0]) : null;
}

/** By its number; held until the transaction ends. */
export async function lockErasure(tx: Tx, number: number): Promise<Erasure | null> {
  const { rows } = await tx.query<LedgerRow>(`${LEDGER} where l.number = $1 for update of l`, [number]);
  return rows[0] ? erasureOf(rows[0]) : null;
}

export async function lastErasure(db: Db): Promise<Erasure | null> {
  const { rows } = await db.query<LedgerRow>(`${LEDGER} order by l.number desc limit 1`);
  return rows[0] ? erasureOf(rows[0]) : null;
}

export async function insertErasure(
  tx: Tx,
  entry: SignedErasure,
  { accountId, erasedBy, eventId }: Pick<Erasure, "accountId" | "erasedBy" | "eventId">,
): Promise<void> {
  await tx.query(
    `insert into erasure_ledger (number, patient_ids, erased_at, previous, public_key, signature,
                                 account_id, erased_by, event_id, asked_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())`,
    [
      entry.number,
      entry.patientIds,
      entry.erasedAt,
      entry.previous,
      entry.publicKey,
      Buffer.from(entry.signature, "base64"),
      accountId,
      erasedBy,
      eventId,
    ],
  );
}

/** Notes that a service has done its part, or since when no copy of its keys opens. */
export async function confirmPart(
  tx: Tx,
  number: number,
  service: PartName,
  doneAt: Date,
  keysFinalAt: Date | null,
): Promise<void> {
  await tx.query(
    `insert into erasure_parts as p (number, service, done_at, keys_final_at)
     select l.number, $2, $3, $4 from erasure_ledger l where l.number = $1
     on conflict (number, service) do update
        set keys_final_at = coalesce(p.keys_final_at, excluded.keys_final_at)`,
    [number, service, doneAt, keysFinalAt],
  );
}

/** Those whose keys are not all destroyed, that nobody was asked about since then; locked. */
export async function lockOpen(tx: Tx, askedBefore: Date, limit: number): Promise<Erasure[]> {
  const { rows: due } = await tx.query<{ number: number }>(
    `select number from erasure_ledger where keys_destroyed_at is null and asked_at <= $1
      order by asked_at limit $2 for update skip locked`,
    [askedBefore, limit],
  );
  const { rows } = await tx.query<LedgerRow>(
    `${LEDGER} where l.number = any($1::bigint[]) order by l.number`,
    [due.map(({ number }) => number)],
  );
  return rows.map(erasureOf);
}

export async function noteAsked(tx: Tx, numbers: readonly number[]): Promise<void> {
  await tx.query("update erasure_ledger set asked_at = now() where number = any($1::bigint[])", [numbers]);
}

/**
 * Once no copy of a key opens in any service: since when. Then nobody needs to know whose account
 * it was.
 */
export async function noteKeysDestroyed(tx: Tx, number: number, at: Date): Promise<void> {
  await tx.query(
    "update erasure_ledger set keys_destroyed_at = $2, account_id = null where number = $1 and keys_destroyed_at is null",
    [number, at],
  );
}
