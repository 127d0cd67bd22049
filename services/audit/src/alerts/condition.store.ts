import type { Db } from "@medvault/postgres";

/** What conditions are told from, as of now. */
export interface Standing {
  readonly entries: number;
  /** Entries that the last checkpoint covers. */
  readonly published: number;
  /** Seconds since any process last had the writer's lease; null: one has it. */
  readonly unheldSeconds: number | null;
}

export async function readStanding(db: Db): Promise<Standing | undefined> {
  const { rows } = await db.query<Standing>(
    `select w.size as entries, coalesce((select max(size) from checkpoints), 0) as published,
            case when w.lease_until < clock_timestamp()
                 then extract(epoch from clock_timestamp() - w.lease_until)::float8 end as "unheldSeconds"
       from writer w`,
  );
  return rows[0];
}

const LAST = `select extract(epoch from occurred_at)::float8 * 1000 as ms from log
               where type = $1 and outcome = 'success'`;

/** When something last succeeded, in milliseconds since 1970. */
export async function lastSuccess(db: Db, type: string): Promise<number | null> {
  const { rows } = await db.query<{ ms: number }>(`${LAST} order by occurred_at desc, idx desc limit 1`, [
    type,
  ]);
  return rows[0]?.ms ?? null;
}

/** When something first succeeded, as far as the log goes back. */
export async function firstSuccess(db: Db, type: string): Promise<number | null> {
  const { rows } = await db.query<{ ms: number }>(`${LAST} order by occurred_at, idx limit 1`, [type]);
  return rows[0]?.ms ?? null;
}

/** When the oldest entry that there is happened. */
export async function oldestEntry(db: Db): Promise<number | null> {
  const { rows } = await db.query<{ ms: number }>(
    "select extract(epoch from occurred_at)::float8 * 1000 as ms from log order by idx limit 1",
  );
  return rows[0]?.ms ?? null;
}
