import { setTimeout as sleep } from "node:timers/promises";
import { inTransaction, sysSchemaOf, type Tx, withClient } from "@medvault/postgres";
import type pg from "pg";
import { fenceTable, holdFence } from "./fence.store.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { loadOrder, RESTORED } from "./restore.ts";
import { exists, type LockMode, lockTable, nameOf, referencesIn, tablesOf } from "./schema.store.ts";

/**
 * Users wait behind the locks, at most 3 s before they get a 503: locking and draining must fit
 * into that.
 */
const LOCKING_MS = 1_500;
/** Of one try at one table; well below Postgres' deadlock_timeout of 1 s (see `lockLive`). */
const LOCK_TRY_MS = 200;
const PAUSE_MS = 500;
/** Well below what ends the lease. */
const LEASE_BEAT_MS = 10_000;
/** Where writes leave their answers, which are as good as the writes: fenced, never replaced. */
const ANSWERS = "idempotency_keys";

interface LiveTable {
  schema: string;
  table: string;
}

/**
 * Runs `work` while every write to what a restore replaces is refused (503, restore_in_progress),
 * whoever makes it and by whatever way: the tables themselves refuse it. Transactions that have
 * written are waited for before, so none commits in between. The fence stands by a lock of this
 * process' connection, and falls with it. Throws `RestoreFailed` live_busy.
 */
export function fenced<T>(pool: pg.Pool, n: number, attempts: number, work: () => Promise<T>): Promise<T> {
  return withClient(pool, async (lease) => {
    await holdFence(lease, n);
    const beat = setInterval(() => {
      lease.query("select").catch(() => {}); // a lost lease is found by the swap
    }, LEASE_BEAT_MS);
    try {
      await withRetries(attempts, () => inTransaction(pool, (tx) => fenceEverything(tx, n)));
      return await work();
    } finally {
      clearInterval(beat);
      await lease.query("rollback").catch(() => {});
    }
  });
}

async function fenceEverything(tx: Tx, n: number): Promise<void> {
  for (const { schema, table } of await lockLive(tx, "share row exclusive")) {
    await fenceTable(tx, schema, table, n);
  }
}

/** Repeats what failed only because others were busy. */
export async function withRetries<T>(attempts: number, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= attempts || !isWorthAnotherTry(error)) throw error;
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

/**
 * Locks every live table, those that others refer to first, as the transactions of the services do.
 * A transaction that goes the other way round and we would wait for each other. Postgres ends one
 * that has waited for a second in such a circle: that must be the other one, which `inTransaction`
 * simply runs again. So we never wait that long at a time, but let go of the one table and ask
 * again, keeping the others. Returns what it locked. Throws `RestoreFailed` live_busy.
 */
export async function lockLive(tx: Tx, mode: LockMode): Promise<LiveTable[]> {
  const until = Date.now() + LOCKING_MS;
  await tx.query("select set_config('lock_timeout', $1, true)", [`${LOCK_TRY_MS}ms`]);
  const live = await liveTables(tx);
  for (const table of live) await lockOne(tx, table, mode, until);
  return live;
}

/** A write claims its key first, then what it is about. */
async function liveTables(tx: Tx): Promise<LiveTable[]> {
  const found: LiveTable[] = [];
  for (const service of RESTORED) {
    const sys = sysSchemaOf(service);
    if (await exists(tx, nameOf(sys, ANSWERS))) found.push({ schema: sys, table: ANSWERS });
    const tables = loadOrder(await tablesOf(tx, service), await referencesIn(tx, service));
    found.push(...tables.map((table) => ({ schema: service, table })));
  }
  return found;
}

async function lockOne(tx: Tx, { schema, table }: LiveTable, mode: LockMode, until: number): Promise<void> {
  for (;;) {
    await tx.query("savepoint before_lock");
    try {
      await lockTable(tx, schema, table, mode);
      await tx.query("release savepoint before_lock");
      return;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (Date.now() > until) throw new RestoreFailed("live_busy", error);
      await tx.query("rollback to savepoint before_lock");
    }
  }
}

function isLockTimeout(error: unknown): boolean {
  return (error as { code?: unknown }).code === "55P03";
}

function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof RestoreFailed && ["live_busy", "outbox_not_drained"].includes(error.reason);
}
