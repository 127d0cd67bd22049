import type { Db } from "@medvault/postgres";

/** A part of the log by index: `from` is in it, `to` is not. */
export interface IndexRange {
  readonly from: number;
  readonly to: number;
}

/** Makes partitions ahead, by a function of the owner's. Gives how many it made. */
export async function makePartitions(db: Db): Promise<number> {
  const { rows } = await db.query<{ made: number }>("select make_log_partitions() as made");
  return rows[0]?.made ?? 0;
}

/** Entries that found no partition of their own; none while they are made in time. */
export async function countInDefault(db: Db, most: number): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    "select count(*)::int as count from (select from log_default limit $1) found",
    [most],
  );
  return rows[0]?.count ?? 0;
}

/**
 * Between `first` and the end of the log, where neither a partition nor the default one has all
 * entries: somebody dropped or detached a partition. Reads no partition that is there.
 */
export async function missingRanges(db: Db, first: number): Promise<IndexRange[]> {
  const { rows } = await db.query<IndexRange>(
    `with parts as (select from_idx, to_idx from log_partitions() union all select size, size from writer),
          gaps as (select greatest($1::bigint, max(to_idx) over (order by from_idx, to_idx rows between unbounded preceding and 1 preceding)) as a,
                          least(from_idx, (select size from writer)) as b from parts)
     select a as "from", b as "to" from gaps
      where a < b and (select count(*) from log_default where idx >= a and idx < b) < b - a
      order by a limit 100`,
    [first],
  );
  return rows;
}
