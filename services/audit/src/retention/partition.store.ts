import type { Db, Tx } from "@medvault/postgres";

/** A part of the log by index: `from` is in it, `to` is not. */
export interface IndexRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The first partition, where its time is over: all of it was signed, and happened, before `cutoff`,
 * and it is not the last one with entries.
 */
export async function firstDuePartition(db: Db, cutoff: Date): Promise<IndexRange | null> {
  const { rows } = await db.query<IndexRange>(
    `select from_idx as "from", to_idx as "to" from (select * from log_partitions() order by from_idx limit 1) first
      where exists (select from checkpoints where size >= to_idx and signed_at < $1)
        and not exists (select from log where idx < to_idx and occurred_at >= $1)
        and exists (select from log where idx >= to_idx)`,
    [cutoff],
  );
  return rows[0] ?? null;
}

/** Drops the partitions up to this index, by a function of the owner's with checks of its own. */
export async function dropEntries(tx: Tx, upTo: number): Promise<number> {
  const { rows } = await tx.query<{ count: number }>("select retire_log($1) as count", [upTo]);
  return rows[0]?.count ?? 0;
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
