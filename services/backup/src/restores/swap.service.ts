import { setTimeout as sleep } from "node:timers/promises";
import { emit } from "@medvault/messaging";
import { type Db, inTransaction, sysSchemaOf, type Tx } from "@medvault/postgres";
import type pg from "pg";
import type { Part } from "../archive/manifest.ts";
import { THIS_RUNNER } from "../work/runner.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { restoredEvent } from "./restore.events.ts";
import { completeRestore } from "./restore.store.ts";
import { loadOrder, RESTORED, type RestoredService, type RestoreTask, schemasOf } from "./restore.ts";
import {
  dropErased,
  hasEventsBefore,
  hasSchema,
  insertMissing,
  lockTable,
  referencesIn,
  renameSchema,
  tablesOf,
} from "./schema.store.ts";
import { takeAgain } from "./taken.store.ts";

/**
 * Users wait behind the locks, at most 3 s before they get a 503: locking and draining must fit
 * into that.
 */
const LOCKING_MS = 1_500;
const FENCED_DRAIN_MS = 1_000;
/** Of one try at one table; well below Postgres' deadlock_timeout of 1 s (see `lockEverything`). */
const LOCK_TRY_MS = 200;
const PAUSE_MS = 500;
const POLL_MS = 50;

export interface SwapLimits {
  /** Attempts at locking every live table. */
  attempts: number;
  /** How long events of before may take to leave while nothing is locked yet. */
  drainMs: number;
}
export const SWAP_LIMITS: SwapLimits = { attempts: 40, drainMs: 30_000 };

export interface SwapWork {
  /** Staged key tables, by service. */
  keys: Map<RestoredService, Part[]>;
  counts: Record<string, number>;
}

/**
 * Puts the built schemas in the place of the live ones, in one transaction: locks every live table,
 * lets the events of before leave, puts missing keys back, takes again what was taken since the
 * backup, renames, and writes down that it is done. Throws `RestoreFailed` live_busy or
 * outbox_not_drained; nothing is changed then.
 */
export async function swap(
  pool: pg.Pool,
  task: RestoreTask,
  work: SwapWork,
  limits: SwapLimits,
): Promise<void> {
  if (!(await drained(pool, limits.drainMs))) throw new RestoreFailed("outbox_not_drained");
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(pool, (tx) => swapOnce(tx, task, work));
    } catch (error) {
      if (attempt >= limits.attempts || !isWorthAnotherTry(error)) throw error;
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

async function swapOnce(tx: Tx, task: RestoreTask, { keys, counts }: SwapWork): Promise<void> {
  await lockEverything(tx);
  if (!(await drained(tx, FENCED_DRAIN_MS))) throw new RestoreFailed("outbox_not_drained");
  let keysBack = 0;
  for (const service of RESTORED) {
    keysBack += await putKeysBack(tx, task.n, service, keys.get(service) ?? []);
  }
  const taken = await takeAgain(tx, task.n);
  for (const service of RESTORED) {
    const { scratch, old } = schemasOf(service, task.n);
    if (await hasSchema(tx, service)) await renameSchema(tx, service, old);
    await renameSchema(tx, scratch, service);
  }
  if (!(await completeRestore(tx, task.id, THIS_RUNNER))) throw new RestoreFailed("interrupted");
  await emit(tx, "backup", restoredEvent(task, { ...counts, keysBack, ...taken }));
}

/**
 * Locks every live table, those that others refer to first, as the transactions of the services do.
 * A transaction that goes the other way round and we would wait for each other. Postgres ends one
 * that has waited for a second in such a circle: that must be the other one, which `inTransaction`
 * simply runs again. So we never wait that long at a time, but let go of the one table and ask
 * again, keeping the others.
 */
async function lockEverything(tx: Tx): Promise<void> {
  const until = Date.now() + LOCKING_MS;
  await tx.query("select set_config('lock_timeout', $1, true)", [`${LOCK_TRY_MS}ms`]);
  for (const service of RESTORED) {
    const tables = loadOrder(await tablesOf(tx, service), await referencesIn(tx, service));
    for (const table of tables) await lockOne(tx, service, table, until);
  }
}

async function lockOne(tx: Tx, schema: string, table: string, until: number): Promise<void> {
  for (;;) {
    await tx.query("savepoint before_lock");
    try {
      await lockTable(tx, schema, table);
      await tx.query("release savepoint before_lock");
      return;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      if (Date.now() > until) throw new RestoreFailed("live_busy", error);
      await tx.query("rollback to savepoint before_lock");
    }
  }
}

/**
 * Waits until no event is left from before now. For later ones we cannot wait: the relay passes
 * nothing that is younger than the oldest open transaction, and behind the locks that is this one.
 * They wait in the sys schemas, which stay.
 */
async function drained(db: Db, forMs: number): Promise<boolean> {
  const { rows } = await db.query<{ xid: string }>("select pg_current_xact_id()::text as xid");
  const xid = rows[0]?.xid ?? "0";
  const until = Date.now() + forMs;
  for (const service of RESTORED) {
    while (await hasEventsBefore(db, sysSchemaOf(service), xid)) {
      if (Date.now() > until) return false;
      await sleep(POLL_MS);
    }
  }
  return true;
}

async function putKeysBack(
  tx: Tx,
  n: number,
  service: RestoredService,
  parts: readonly Part[],
): Promise<number> {
  const sys = sysSchemaOf(service);
  const { keys } = schemasOf(service, n);
  if (parts.some((part) => part.table === "subject_keys")) await dropErased(tx, keys, sys);
  let count = 0;
  for (const part of parts) count += await insertMissing(tx, keys, sys, part.table ?? "", part.columns);
  return count;
}

function isLockTimeout(error: unknown): boolean {
  return (error as { code?: unknown }).code === "55P03";
}

function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof RestoreFailed && ["live_busy", "outbox_not_drained"].includes(error.reason);
}
