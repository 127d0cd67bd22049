import type { AuditFilter } from "@medvault/contracts";
import { type Db, PLANNED_EACH_TIME } from "@medvault/postgres";
import { LOG_ROW, type LogRow } from "../log/log.store.ts";
import type { Position } from "./event.ts";

/**
 * Whether a row passes the filter: parameters $1 to $10, as `valuesOf` gives them. Null: not asked
 * for.
 */
const PASSES = `($1::text is null or actor_id = $1)
        and ($2::uuid is null or patient_ids @> array[$2::uuid])
        and ($3::text is null or subject = $3)
        and ($4::text is null or type = $4)
        and ($5::text is null or action = $5)
        and ($6::text is null or outcome = $6)
        and ($7::text is null or ip = $7)
        and ($8::text is null or request_id = $8)
        and ($9::timestamptz is null or occurred_at >= $9)
        and ($10::timestamptz is null or occurred_at < $10)`;

const FILTERS = [
  ...(["actorId", "patientId", "subject", "type", "action"] as const),
  ...(["outcome", "ip", "requestId", "from", "to"] as const),
];
const valuesOf = (filter: AuditFilter) => FILTERS.map((name) => filter[name] ?? null);

/**
 * Rows that pass the filter, newest first, after `after`. Statements like this one are never
 * prepared (libs/postgres): planned with their values, a null filter costs nothing and the others
 * find their index.
 */
export async function newestRows(
  db: Db,
  filter: AuditFilter,
  after: Position | undefined,
  limit: number,
): Promise<LogRow[]> {
  const { rows } = await db.query<LogRow>(
    `select ${LOG_ROW} from log
      where ${PASSES} and ($11::timestamptz is null or (occurred_at, idx) < ($11, $12::bigint))
      order by occurred_at desc, idx desc
      limit $13`,
    [...valuesOf(filter), after ? new Date(after.time) : null, after?.idx ?? null, limit],
  );
  return rows;
}

/**
 * Rows about any of these patients, newest first, after `after`. As newestRows: of a patient with
 * few entries they are found by patient, of one with very many by time.
 */
export async function newestAbout(
  db: Db,
  patientIds: readonly string[],
  { actorId, from, to }: Pick<AuditFilter, "actorId" | "from" | "to">,
  after: Position | undefined,
  limit: number,
): Promise<LogRow[]> {
  const { rows } = await db.query<LogRow>(
    `select ${LOG_ROW} from log
      where patient_ids && $1::uuid[] and ($2::text is null or actor_id = $2)
        and ($3::timestamptz is null or occurred_at >= $3) and ($4::timestamptz is null or occurred_at < $4)
        and ($5::timestamptz is null or (occurred_at, idx) < ($5, $6::bigint))
      order by occurred_at desc, idx desc
      limit $7`,
    [
      ...[patientIds, actorId ?? null, from ?? null, to ?? null],
      ...[after ? new Date(after.time) : null, after?.idx ?? null, limit],
    ],
  );
  return rows;
}

/**
 * Rows that pass the filter in the order of the log, from index `from` up to but not including
 * `to`.
 */
export async function rowsInOrder(
  db: Db,
  filter: AuditFilter,
  from: number,
  to: number,
  limit: number,
): Promise<LogRow[]> {
  const { rows } = await db.query<LogRow>(
    `select ${LOG_ROW} from log where ${PASSES} and idx >= $11 and idx < $12 order by idx limit $13`,
    [...valuesOf(filter), from, to, limit],
  );
  return rows;
}

/** The indexes of rowsInOrder alone. */
export async function indexesInOrder(
  db: Db,
  filter: AuditFilter,
  from: number,
  to: number,
  limit: number,
): Promise<number[]> {
  const { rows } = await db.query<{ idx: number }>(
    `select idx from log where ${PASSES} and idx >= $11 and idx < $12 order by idx limit $13`,
    [...valuesOf(filter), from, to, limit],
  );
  return rows.map(({ idx }) => idx);
}

/** Whose events pass the filter, of entries `from` up to `to`: at most `limit` of them. */
export async function actorsIn(
  db: Db,
  filter: AuditFilter,
  from: number,
  to: number,
  limit: number,
): Promise<string[]> {
  const { rows } = await db.query<{ actor_id: string }>(
    `select distinct actor_id from log
      where ${PASSES} and idx >= $11 and idx < $12 and actor_id is not null limit $13`,
    [...valuesOf(filter), from, to, limit],
  );
  return rows.map((row) => row.actor_id);
}

/**
 * Whose acts are among the latest `acts` on these patients: at most `limit` of them. Of a patient
 * with few entries they are found by patient, of one with very many by time.
 */
export async function latestActors(
  db: Db,
  patientIds: readonly string[],
  acts: number,
  limit: number,
): Promise<string[]> {
  const { rows } = await db.query<{ actor_id: string }>(
    `${PLANNED_EACH_TIME} select distinct actor_id
       from (select actor_id from log where patient_ids && $1::uuid[] and actor_id is not null
              order by occurred_at desc limit $2) as acted
      limit $3`,
    [patientIds, acts, limit],
  );
  return rows.map((row) => row.actor_id);
}

/** Events of one bucket of time. */
export interface BucketCount {
  readonly start: Date;
  readonly success: number;
  readonly denied: number;
  readonly failure: number;
}

/** Counts per hour or day (UTC), oldest first, at most `limit` of them. */
export async function countByBucket(
  db: Db,
  filter: AuditFilter,
  bucket: "hour" | "day",
  limit: number,
): Promise<BucketCount[]> {
  const { rows } = await db.query<BucketCount>(
    `select date_trunc($11, occurred_at, 'UTC') as start,
            count(*) filter (where outcome = 'success') as success,
            count(*) filter (where outcome = 'denied') as denied,
            count(*) filter (where outcome = 'failure') as failure
       from log where ${PASSES} group by 1 order by 1 limit $12`,
    [...valuesOf(filter), bucket, limit],
  );
  return rows;
}
