import { setTimeout as sleep } from "node:timers/promises";
import { emit } from "@medvault/messaging";
import { DatabaseUnavailable, type Db, inTransaction, sysSchemaOf, type Tx } from "@medvault/postgres";
import type pg from "pg";
import type { Part } from "../backup/manifest.ts";
import { THIS_RUNNER } from "../backup/runner.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { completeRestore } from "./restore.store.ts";
import { RESTORED, type RestoredService, type RestoreTask, restoredEvent, schemasOf } from "./restore.ts";
import {
  dropErased,
  endAssignments,
  hasEventsBefore,
  insertMissing,
  lockTable,
  renameSchema,
  tablesOf,
} from "./schemas.ts";

/**
 * Users wait behind the locks: each attempt is short, and there are many. Shorter than Postgres' deadlock_timeout (1 s),
 * so that of the two it is never a user's transaction that is ended.
 */
const LOCK_TIMEOUT_MS = 800;
const ATTEMPTS = 30;
const PAUSE_MS = 500;
/** How long events of before may take to leave: without the locks, and behind them. */
const DRAIN_MS = 30_000;
const FENCED_DRAIN_MS = 3_000;
const POLL_MS = 50;

export interface SwapWork {
  /** Staged key tables, by service. */
  keys: Map<RestoredService, Part[]>;
  counts: Record<string, number>;
}

/**
 * Puts the built schemas in the place of the live ones, in one transaction: locks every live table, lets the events
 * of before leave, ends the assignments that ended since the backup, puts missing keys back, renames, and writes down
 * that it is done. Throws `RestoreFailed` live_busy or outbox_not_drained; nothing is changed then.
 */
export async function swap(pool: pg.Pool, task: RestoreTask, work: SwapWork): Promise<void> {
  if (!(await drained(pool, DRAIN_MS))) throw new RestoreFailed("outbox_not_drained");
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(pool, (tx) => swapOnce(tx, task, work));
    } catch (error) {
      const busy = isLockTimeout(error);
      if (attempt === ATTEMPTS || !(busy || isUndrained(error))) {
        throw busy ? new RestoreFailed("live_busy", error) : error;
      }
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

async function swapOnce(tx: Tx, task: RestoreTask, { keys, counts }: SwapWork): Promise<void> {
  await tx.query("select set_config('lock_timeout', $1, true)", [`${LOCK_TIMEOUT_MS}ms`]);
  for (const service of RESTORED) {
    for (const table of await tablesOf(tx, service)) await lockTable(tx, service, table);
  }
  if (!(await drained(tx, FENCED_DRAIN_MS))) throw new RestoreFailed("outbox_not_drained");
  const assignmentsEnded = await endAssignments(tx, schemasOf("records", task.n).scratch);
  let keysBack = 0;
  for (const service of RESTORED) {
    keysBack += await putKeysBack(tx, task.n, service, keys.get(service) ?? []);
    const { scratch, old } = schemasOf(service, task.n);
    await renameSchema(tx, service, old);
    await renameSchema(tx, scratch, service);
  }
  if (!(await completeRestore(tx, task.id, THIS_RUNNER))) throw new RestoreFailed("interrupted");
  await emit(tx, "backup", restoredEvent(task, { ...counts, keysBack, assignmentsEnded }));
}

/**
 * Waits until no event is left from before now. Of later ones we cannot wait: the relay passes nothing that is younger
 * than the oldest open transaction, and behind the locks that is this one. They wait in the sys schemas, which stay.
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
  const cause = error instanceof DatabaseUnavailable ? error.cause : error;
  return (cause as { code?: unknown } | undefined)?.code === "55P03";
}

function isUndrained(error: unknown): boolean {
  return error instanceof RestoreFailed && error.reason === "outbox_not_drained";
}
