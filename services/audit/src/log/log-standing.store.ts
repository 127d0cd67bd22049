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
