import type { AuditFilter } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import { type LogRow, logRowOf } from "../log/log.store.ts";

type StoredRow = Parameters<typeof logRowOf>[0];

/** Where a page ended: the last row's time (milliseconds) and index. */
export interface Position {
  readonly time: number;
  readonly idx: number;
}

/** The filter as ten parameters, $1 to $10; null: not asked for. */
function filterParameters(filter: AuditFilter): unknown[] {
  return [
    filter.actorId ?? null,
    filter.patientId ?? null,
    filter.subject ?? null,
    filter.type ?? null,
    filter.action ?? null,
    filter.outcome ?? null,
    filter.ip ?? null,
    filter.requestId ?? null,
    filter.from ?? null,
    filter.to ?? null,
  ];
}

/**
 * Rows that pass the filter, newest first, after `after`. Statements without a name are planned
 * with their values, so that a null filter costs nothing and the others find their index.
 */
export async function newestRows(
  db: Db,
  filter: AuditFilter,
  after: Position | undefined,
  limit: number,
): Promise<LogRow[]> {
  const { rows } = await db.query<StoredRow>(
    `select idx, id, occurred_at, type, producer, epoch, seq, actor_id, actor_role, patient_ids, subject, action,
            outcome, purpose, ip, request_id, leaf, sealed
       from log
      where ($1::text is null or actor_id = $1)
        and ($2::uuid is null or patient_ids @> array[$2::uuid])
        and ($3::text is null or subject = $3)
        and ($4::text is null or type = $4)
        and ($5::text is null or action = $5)
        and ($6::text is null or outcome = $6)
        and ($7::text is null or ip = $7)
        and ($8::text is null or request_id = $8)
        and ($9::timestamptz is null or occurred_at >= $9)
        and ($10::timestamptz is null or occurred_at < $10)
        and ($11::timestamptz is null or (occurred_at, idx) < ($11, $12::bigint))
      order by occurred_at desc, idx desc
      limit $13`,
    [...filterParameters(filter), after ? new Date(after.time) : null, after?.idx ?? null, limit],
  );
  return rows.map(logRowOf);
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
  const { rows } = await db.query<StoredRow>(
    `select idx, id, occurred_at, type, producer, epoch, seq, actor_id, actor_role, patient_ids, subject, action,
            outcome, purpose, ip, request_id, leaf, sealed
       from log
      where ($1::text is null or actor_id = $1)
        and ($2::uuid is null or patient_ids @> array[$2::uuid])
        and ($3::text is null or subject = $3)
        and ($4::text is null or type = $4)
        and ($5::text is null or action = $5)
        and ($6::text is null or outcome = $6)
        and ($7::text is null or ip = $7)
        and ($8::text is null or request_id = $8)
        and ($9::timestamptz is null or occurred_at >= $9)
        and ($10::timestamptz is null or occurred_at < $10)
        and idx >= $11 and idx < $12
      order by idx
      limit $13`,
    [...filterParameters(filter), from, to, limit],
  );
  return rows.map(logRowOf);
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
       from log
      where ($1::text is null or actor_id = $1)
        and ($2::uuid is null or patient_ids @> array[$2::uuid])
        and ($3::text is null or subject = $3)
        and ($4::text is null or type = $4)
        and ($5::text is null or action = $5)
        and ($6::text is null or outcome = $6)
        and ($7::text is null or ip = $7)
        and ($8::text is null or request_id = $8)
        and ($9::timestamptz is null or occurred_at >= $9)
        and ($10::timestamptz is null or occurred_at < $10)
      group by 1 order by 1 limit $12`,
    [...filterParameters(filter), bucket, limit],
  );
  return rows;
}
