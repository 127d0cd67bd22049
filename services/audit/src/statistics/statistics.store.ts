import type { AuditStatsGroup } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";

/** Whole days (UTC): `from` is in it, `to` is not. */
export interface Days {
  readonly from: Date;
  readonly to: Date;
}

/** By type, actor or patient: those with most entries first. */
export async function topTallies(
  db: Db,
  kind: string,
  { from, to }: Days,
  limit: number,
): Promise<AuditStatsGroup[]> {
  const { rows } = await db.query<AuditStatsGroup>(
    `select key, (sum(success) + sum(denied) + sum(failure))::bigint as total, sum(success)::bigint as success,
            sum(denied)::bigint as denied, sum(failure)::bigint as failure
       from tallies where kind = $1 and day >= ($2::timestamptz at time zone 'UTC')::date
        and day < ($3::timestamptz at time zone 'UTC')::date
      group by key order by 2 desc, key limit $4`,
    [kind, from, to, limit],
  );
  return rows;
}

/** By hour of the day (UTC), of what the log's trigger counts. */
export async function countByHour(db: Db, { from, to }: Days): Promise<AuditStatsGroup[]> {
  const { rows } = await db.query<AuditStatsGroup>(
    `select to_char(start at time zone 'UTC', 'HH24') as key, (sum(success) + sum(denied) + sum(failure))::bigint as total,
            sum(success)::bigint as success, sum(denied)::bigint as denied, sum(failure)::bigint as failure
       from log_counts where minutes = 60 and start >= $1 and start < $2 group by 1 order by 1`,
    [from, to],
  );
  return rows;
}

/** How many alerts each rule opened. */
export async function countAlerts(db: Db, { from, to }: Days, limit: number): Promise<AuditStatsGroup[]> {
  const { rows } = await db.query<AuditStatsGroup>(
    `select rule as key, count(*) as total, null as success, null as denied, null as failure
       from alerts where opened_at >= $1 and opened_at < $2 group by rule order by 2 desc, 1 limit $3`,
    [from, to, limit],
  );
  return rows;
}

/** How many patients members of staff reach in an hour in which they reach any. */
export interface Reach {
  readonly hours: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The percentiles, and who was above the last of them: the most patients in one hour of each. */
export async function reachOfStaff(
  db: Db,
  { from, to }: Days,
  limit: number,
): Promise<{ reach: Reach; above: { key: string; total: number }[] }> {
  const { rows } = await db.query<Reach & { above: { key: string; total: number }[] }>(
    `with hours as materialized (
            select actor_id, count(*) as patients from reach where hour >= $1 and hour < $2 group by hour, actor_id),
          usual as (select count(*) as hours, coalesce(percentile_disc(0.5) within group (order by patients), 0) as p50,
                           coalesce(percentile_disc(0.95) within group (order by patients), 0) as p95,
                           coalesce(percentile_disc(0.99) within group (order by patients), 0) as p99 from hours)
     select usual.*, (select coalesce(jsonb_agg(jsonb_build_object('key', actor_id, 'total', most)), '[]')
                        from (select actor_id, max(patients) as most from hours group by actor_id
                              having max(patients) > usual.p99 order by 2 desc, 1 limit $3) unusual) as above
       from usual`,
    [from, to, limit],
  );
  const { above = [], hours = 0, p50 = 0, p95 = 0, p99 = 0 } = rows[0] ?? {};
  return { reach: { hours, p50, p95, p99 }, above };
}
