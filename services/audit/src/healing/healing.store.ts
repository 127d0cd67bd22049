import type { Db, Tx } from "@medvault/postgres";
import type { LogRow } from "../log/log.store.ts";

/** What healings did, by kind. */
export type Done = Record<string, number>;
export type Why = "foreign" | "edited" | "moved";

/** The healing that was ended in the middle, or a new one. */
export async function beginHealing(db: Db, id: string): Promise<string> {
  const { rows } = await db.query<{ id: string }>("select id from healings where done_at is null limit 1");
  if (rows[0]) return rows[0].id;
  await db.query("insert into healings (id) values ($1)", [id]);
  return id;
}

/** Adds to what a healing did, and gives all of it. */
export async function noteDone(tx: Tx, id: string, done: Done): Promise<Done> {
  const { rows } = await tx.query<{ done: Done }>(
    `update healings set done = done || (select coalesce(jsonb_object_agg(key, coalesce((done ->> key)::bigint, 0) + value::bigint), '{}')
                                           from jsonb_each_text($2))
      where id = $1 returning done`,
    [id, JSON.stringify(done)],
  );
  return rows[0]?.done ?? {};
}

export async function endHealing(tx: Tx, id: string): Promise<void> {
  await tx.query("update healings set done_at = clock_timestamp() where id = $1", [id]);
}

/** Takes rows out of the log. */
export async function quarantineRows(
  tx: Tx,
  healing: string,
  why: Why,
  idxs: readonly number[],
): Promise<void> {
  await tx.query(
    `with gone as (delete from log where idx = any($3::bigint[]) returning *)
     insert into quarantine (healing, why, entry) select $1, $2, to_jsonb(gone) from gone`,
    [healing, why, idxs],
  );
}

export async function quarantineCheckpoint(tx: Tx, healing: string, size: number): Promise<void> {
  await tx.query(
    `with gone as (delete from checkpoints where size = $2 returning *)
     insert into quarantine (healing, why, entry) select $1, 'checkpoint', to_jsonb(gone) from gone`,
    [healing, size],
  );
}

export async function quarantineNumbers(tx: Tx, healing: string): Promise<void> {
  await tx.query(
    `with gone as (delete from sequences returning *)
     insert into quarantine (healing, why, entry) select $1, 'numbers', to_jsonb(gone) from gone`,
    [healing],
  );
}

/** Days (UTC) of these entries, whose counts are counted again. */
export async function daysOf(tx: Tx, idxs: readonly number[]): Promise<string[]> {
  const { rows } = await tx.query<{ day: string }>(
    "select distinct (occurred_at at time zone 'UTC')::date::text as day from log where idx = any($1::bigint[])",
    [idxs],
  );
  return rows.map(({ day }) => day);
}

function valuesOf(row: LogRow): unknown[] {
  const { idx, id, occurredAt, type, producer, epoch, seq, actorId, actorRole, patientIds } = row;
  const { subject, action, outcome, purpose, ip, requestId, leaf, sealed } = row;
  return [
    ...[idx, id, occurredAt, type, producer, epoch, seq, actorId, actorRole, patientIds],
    ...[subject, action, outcome, purpose, ip, requestId, leaf, sealed],
  ];
}

/** Where a row was taken away by a path that forgot its id, the id is free again. */
export async function insertRow(tx: Tx, row: LogRow): Promise<void> {
  await tx.query("delete from log_ids where id = $1", [row.id]);
  await tx.query(
    `insert into log (idx, id, occurred_at, type, producer, epoch, seq, actor_id, actor_role, patient_ids, subject, action,
                      outcome, purpose, ip, request_id, leaf, sealed)
     values ($1, $2, to_timestamp($3::float8 / 1000), $4, $5, $6, $7, $8, $9, $10::uuid[], $11, $12, $13, $14, $15, $16, $17, $18)`,
    valuesOf(row),
  );
}

/** Counts the entries of these days again, for the charts. */
export async function recount(tx: Tx, days: readonly string[]): Promise<void> {
  for (const day of days) {
    const bounds = "$1::date at time zone 'UTC' and start < ($1::date + 1) at time zone 'UTC'";
    await tx.query(`delete from log_counts where start >= ${bounds}`, [day]);
    await tx.query(
      `insert into log_counts (minutes, start, success, denied, failure)
       select m.minutes, date_bin(make_interval(mins => m.minutes), occurred_at, '0001-01-01T00:00:00Z'),
              count(*) filter (where outcome = 'success'), count(*) filter (where outcome = 'denied'),
              count(*) filter (where outcome = 'failure')
         from log cross join (values (1), (60), (1440)) as m (minutes)
        where occurred_at >= $1::date at time zone 'UTC' and occurred_at < ($1::date + 1) at time zone 'UTC'
        group by 1, 2`,
      [day],
    );
  }
}

export async function setSize(tx: Tx, size: number): Promise<void> {
  await tx.query("update writer set size = $1", [size]);
}
