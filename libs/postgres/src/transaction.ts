import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { isConnectionLost, isRetryable, TransactionAborted, toDatabaseError } from "./errors.ts";
import { renewedAfter } from "./prepared.ts";
import { noteRoom } from "./room.ts";
import type { Db, Tx } from "./types.ts";

const MAX_RETRIES = 3;
const RETRY_BASE_MS = 10;

const hooks = new WeakMap<object, (() => void)[]>();

/**
 * Runs `hook` once this transaction has committed, never if it rolls back; outside of one (what was
 * written has committed) at once. For wake-ups and caches: a hook that throws is ignored, and a
 * process that dies in between never runs it.
 */
export function afterCommit(db: Db, hook: () => void): void {
  const list = hooks.get(db);
  if (list) list.push(hook);
  else ignoreErrors(hook);
}

/**
 * Runs `work` in one READ COMMITTED transaction and commits. A serialization failure, a deadlock or
 * an outdated prepared statement runs it again from the start, at most three times, so `work` must
 * do nothing that a rollback does not undo. Throws DatabaseUnavailable when the database is away
 * (then the outcome of a commit in flight is unknown), TransactionAborted when `work` swallowed a
 * failed statement, else what `work` threw.
 */
export async function inTransaction<T>(pool: pg.Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await runOnce(pool, work);
    } catch (error) {
      const again = renewedAfter(pool, error) || isRetryable(error);
      noteRoom(pool, error);
      if (!again || attempt >= MAX_RETRIES) throw toDatabaseError(error);
      await delay(RETRY_BASE_MS * 2 ** attempt * (0.5 + Math.random()));
    }
  }
}

async function runOnce<T>(pool: pg.Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const tx = client as Tx;
  const afterwards: (() => void)[] = [];
  let broken = false;
  try {
    hooks.set(tx, afterwards);
    await client.query("begin isolation level read committed");
    const result = await work(tx);
    const { command } = await client.query("commit");
    if (command !== "COMMIT") throw new TransactionAborted();
    hooks.delete(tx);
    for (const hook of afterwards) ignoreErrors(hook);
    return result;
  } catch (error) {
    hooks.delete(tx);
    broken = isConnectionLost(error) || (await rollback(client));
    throw error;
  } finally {
    client.release(broken);
  }
}

function ignoreErrors(hook: () => void): void {
  try {
    hook();
  } catch {
    // The commit stands whatever a wake-up does.
  }
}

/** True when the connection cannot be used again. */
async function rollback(client: pg.PoolClient): Promise<boolean> {
  try {
    await client.query("rollback");
    return false;
  } catch {
    return true;
  }
}

/**
 * Lends one connection for several statements outside a transaction (COPY, a snapshot, SET) and
 * closes it afterwards if `work` threw, since its state is unknown. Throws as `inTransaction` does.
 */
export async function withClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  let client: pg.PoolClient | undefined;
  let failed = true;
  try {
    client = await pool.connect();
    const result = await work(client);
    failed = false;
    return result;
  } catch (error) {
    throw toDatabaseError(error);
  } finally {
    client?.release(failed);
  }
}
