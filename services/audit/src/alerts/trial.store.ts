import type { Db } from "@medvault/postgres";

/** Entries may be in the log before others that happened earlier: of so many the first is taken. */
const NEAR = 10_000;

/** The first place of the log from which on entries happened at a time or later. */
export async function firstSince(db: Db, since: Date): Promise<number | null> {
  const { rows } = await db.query<{ idx: number | null }>(
    `select min(idx) as idx from (
       select idx from log where occurred_at >= $1 order by occurred_at, idx limit ${NEAR}) earliest`,
    [since],
  );
  return rows[0]?.idx ?? null;
}
