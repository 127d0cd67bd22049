import type { Db, Tx } from "@medvault/postgres";
import type { ScheduledKey } from "./signing-key.ts";

interface Row {
  generation: number;
  use_from: Date;
  reset_at: Date | null;
}

/** Every scheduled key, oldest first. */
export async function listScheduledKeys(db: Db): Promise<ScheduledKey[]> {
  const { rows } = await db.query<Row>(
    `select generation, use_from, reset_at from access_token_keys order by generation`,
  );
  return rows.map((row) => ({ generation: row.generation, useFrom: row.use_from, resetAt: row.reset_at }));
}

/** Schedules a key; of several replicas at once the first does, the others wait and get false. */
export async function scheduleKey(tx: Tx, key: ScheduledKey): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into access_token_keys (generation, use_from) values ($1, $2) on conflict (generation) do nothing`,
    [key.generation, key.useFrom],
  );
  return rowCount === 1;
}

/** Takes a key off the schedule, and deletes it; false when another replica did. */
export async function removeKey(tx: Tx, generation: number, name: string): Promise<boolean> {
  const { rowCount } = await tx.query(`delete from access_token_keys where generation = $1`, [generation]);
  if (rowCount !== 1) return false;
  await tx.query(`delete from keys where kind = 'signing' and name = $1`, [name]);
  return true;
}

/** Notes that every session from before this key's first use has ended. */
export async function markReset(tx: Tx, generation: number, now: Date): Promise<void> {
  await tx.query(`update access_token_keys set reset_at = $2 where generation = $1 and reset_at is null`, [
    generation,
    now,
  ]);
}
