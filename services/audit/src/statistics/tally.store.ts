import type { Db, Tx } from "@medvault/postgres";

/** What is counted by day; `entries` are rows of the log. */
const COUNTED = `select kind, day, key, count(*) filter (where outcome = 'success') as success,
            count(*) filter (where outcome = 'denied') as denied, count(*) filter (where outcome = 'failure') as failure
       from (select (occurred_at at time zone 'UTC')::date as day, outcome, kind, key
               from entries cross join lateral (
                 select 'type' as kind, type as key union all
                 select 'actor', actor_id where actor_id is not null union all
                 select distinct 'patient', id::text from unnest(patient_ids) as id) counted) each
      group by 1, 2, 3`;

/** Counts the next entries of the log, at most `most`; gives how many. All or nothing of them. */
export async function countNext(db: Db, most: number): Promise<number> {
  const { rows } = await db.query<{ counted: number }>(
    `with known as materialized (select size from tally_cursor for update),
          entries as materialized (
            select idx, occurred_at, type, actor_id, actor_role, patient_ids, outcome from log
             where idx >= (select size from known) and idx < (select size from known) + $1::bigint),
          tallied as (
            insert into tallies as known (kind, day, key, success, denied, failure) ${COUNTED}
            on conflict (kind, day, key) do update
               set success = known.success + excluded.success, denied = known.denied + excluded.denied,
                   failure = known.failure + excluded.failure),
          reached as (
            insert into reach (hour, actor_id, patient_id)
            select distinct date_trunc('hour', occurred_at, 'UTC'), actor_id, patient_id
              from entries cross join unnest(patient_ids) as patient_id
             where actor_id is not null and actor_role <> 'patient' and occurred_at > now() - interval '92 days'
            on conflict do nothing),
          moved as (update tally_cursor set size = (select max(idx) + 1 from entries) where exists (select from entries))
     select count(*)::int as counted from entries`,
    [most],
  );
  return rows[0]?.counted ?? 0;
}

/**
 * Counts a day (`2026-11-28`) again from the log, as far as it was counted, and writes it anew
 * where that gives something else. Gives how many of its tallies were wrong.
 */
export async function recountDay(tx: Tx, day: string): Promise<number> {
  await tx.query("set local statement_timeout = '5min'");
  await tx.query("select from tally_cursor for update");
  const { rows } = await tx.query<{ wrong: number }>(
    `with entries as (
            select * from log where occurred_at >= $1::date at time zone 'UTC' and occurred_at < ($1::date + 1) at time zone 'UTC'
               and idx < (select size from tally_cursor)),
          truth as materialized (${COUNTED}),
          wrong as materialized (
            (select * from truth except select * from tallies where day = $1) union
            (select * from tallies where day = $1 except select * from truth)),
          gone as (delete from tallies t using wrong w where t.kind = w.kind and t.day = w.day and t.key = w.key
                      and not exists (select from truth where (kind, key) = (t.kind, t.key))),
          put as (insert into tallies select t.* from truth t where exists (select from wrong where (kind, key) = (t.kind, t.key))
                  on conflict (kind, day, key) do update
                     set success = excluded.success, denied = excluded.denied, failure = excluded.failure)
     select count(distinct (kind, key))::int as wrong from wrong`,
    [day],
  );
  return rows[0]?.wrong ?? 0;
}

/** Forgets days before `day`, and who reached whom more than 92 days ago. */
export async function forgetBefore(db: Db, day: Date): Promise<void> {
  await db.query("delete from tallies where day < $1::timestamptz::date", [day]);
  await db.query("delete from reach where hour < now() - interval '92 days'");
}
