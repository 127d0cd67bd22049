import type pg from "pg";
import { inTransaction } from "./transaction.ts";
import type { Tx } from "./types.ts";

/**
 * Runs `work` while no other process holds the lock of that name; undefined, without it, while one
 * does. The lock is of the transaction that `work` is given, and ends with it: so it holds behind a
 * pooler too, which gives a connection to each transaction. As long as `work` writes elsewhere the
 * transaction has no number, and holds up no relay and no vacuum. Throws as inTransaction does.
 */
export function whileLocked<T>(
  pool: pg.Pool,
  name: string,
  work: (lock: Tx) => Promise<T>,
): Promise<T | undefined> {
  return inTransaction(pool, async (tx) => {
    await tx.query("set local idle_in_transaction_session_timeout = 0");
    const { rows } = await tx.query<{ held: boolean }>(
      "select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as held",
      [name],
    );
    return rows[0]?.held ? work(tx) : undefined;
  });
}
