import type { Db } from "@medvault/postgres";

/** How far the log has come. */
export interface LogStanding {
  readonly entries: number;
  /** Of the last checkpoint: its entries, and when it was signed (seconds since 1970, 0: never). */
  readonly published: number;
  readonly signedAt: number;
}

export async function readStanding(db: Db): Promise<LogStanding | undefined> {
  const { rows } = await db.query<LogStanding>(
    `select w.size as entries, coalesce(c.size, 0) as published,
            coalesce(extract(epoch from c.signed_at), 0)::float8 as "signedAt"
       from writer w
       left join lateral (select size, signed_at from checkpoints order by size desc limit 1) c on true`,
  );
  return rows[0];
}

/** How many numbered events of each producer have not arrived, in all its epochs. */
export async function countMissing(db: Db): Promise<{ producer: string; missing: number }[]> {
  const { rows } = await db.query<{ producer: string; missing: number }>(
    `select producer, sum(greatest(upper(received) - 1, coalesce(heartbeat_seq, 0))
                          - (select sum(upper(r) - lower(r)) from unnest(received) r))::float8 as missing
       from sequences group by producer order by producer limit 100`,
  );
  return rows;
}
