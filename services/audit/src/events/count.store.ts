import type { AuditFilter } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import { type BucketCount, countByBucket } from "./event.store.ts";

const MINUTES = { hour: 60, day: 1440 } as const;
const floored = (time: string, step: string) => `date_bin(${step}, ${time}, '0001-01-01T00:00:00Z')`;
const raised = (time: string, step: string) =>
  `case when ${floored(time, step)} = ${time} then ${time} else ${floored(time, step)} + ${step} end`;

// What lies between two times is taken from whole buckets, at both ends from whole minutes, and of
// the two minutes that are begun from the log itself: so many rows, however long the log is.
export const COUNTS = `with asked as (
       select f, t, ${raised("f", "bucket")} as f_bucket, ${floored("t", "bucket")} as t_bucket,
              ${raised("f", "minute")} as f_minute, ${floored("t", "minute")} as t_minute
         from (select $1::timestamptz as f, coalesce($2::timestamptz, 'infinity') as t, interval '1 minute' as minute,
                      make_interval(mins => $3::int) as bucket) given),
     counted as (
       (select c.* from asked join log_counts c
            on c.minutes = $3 and c.start >= f_bucket and c.start < t_bucket
               and case $4::text when 'success' then success when 'denied' then denied
                           when 'failure' then failure else 1 end > 0
         order by c.start limit $5)
       union all
       select c.* from asked join log_counts c
           on c.minutes = 1 and c.start >= f_minute and c.start < least(f_bucket, t_minute)
       union all
       select c.* from asked join log_counts c
           on c.minutes = 1 and c.start >= greatest(f_minute, f_bucket, t_bucket) and c.start < t_minute
       union all
       select 0, occurred_at, (outcome = 'success')::int, (outcome = 'denied')::int, (outcome = 'failure')::int
         from asked join log on occurred_at >= f and occurred_at < least(f_minute, t)
       union all
       select 0, occurred_at, (outcome = 'success')::int, (outcome = 'denied')::int, (outcome = 'failure')::int
         from asked join log on occurred_at >= greatest(f_minute, t_minute) and occurred_at < t)
     select ${floored("start", "make_interval(mins => $3::int)")} as start,
            sum(success)::bigint as success, sum(denied)::bigint as denied, sum(failure)::bigint as failure
       from counted group by 1 order by 1`;

/**
 * Counts per hour or day (UTC), oldest first, at most `limit` of them. Without a filter but time
 * and outcome they are what the log's trigger keeps: at the same cost however long the log is.
 */
export async function countBuckets(
  db: Db,
  filter: AuditFilter & { from: string },
  bucket: keyof typeof MINUTES,
  limit: number,
): Promise<BucketCount[]> {
  const { from, to = null, outcome, ...narrower } = filter;
  if (Object.values(narrower).some((value) => value !== undefined))
    return countByBucket(db, filter, bucket, limit);
  const { rows } = await db.query<BucketCount>(COUNTS, [from, to, MINUTES[bucket], outcome ?? "any", limit]);
  const asked = rows.map((row) => ({
    start: row.start,
    success: 0,
    denied: 0,
    failure: 0,
    ...(outcome === undefined ? row : { [outcome]: row[outcome] }),
  }));
  return asked.filter((row) => row.success + row.denied + row.failure > 0).slice(0, limit);
}
