import { setTimeout as sleep } from "node:timers/promises";
import { emit } from "@medvault/messaging";
import { type Db, inTransaction, sysSchemaOf, type Tx } from "@medvault/postgres";
import type { Manifest, Part, Snapshot } from "../archive/manifest.ts";
import type { RestoreContext } from "../context.ts";
import { THIS_RUNNER } from "../work/runner.ts";
import { lockLive, withRetries } from "./fence.service.ts";
import { isFenceHeld, unfenceTable } from "./fence.store.ts";
import { requireWholeLedger } from "./ledger.service.ts";
import { listRows } from "./listed-row.store.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { restoredEvent } from "./restore.events.ts";
import { completeRestore } from "./restore.store.ts";
import { RESTORED, type RestoredService, type RestoreTask, schemasOf } from "./restore.ts";
import {
  dropErased,
  hasEventsBefore,
  hasSchema,
  insertMissing,
  noteRewind,
  renameSchema,
} from "./schema.store.ts";
import { takeAgain } from "./taken.store.ts";

/** Readers wait behind the locks too, at most 3 s before they get a 503. */
const LOCKED_DRAIN_MS = 1_000;
const POLL_MS = 50;

export interface SwapLimits {
  /** Attempts at locking every live table, for the fence and for the swap. */
  attempts: number;
  /** How long events of before may take to leave while nothing is locked yet. */
  drainMs: number;
}
export const SWAP_LIMITS: SwapLimits = { attempts: 40, drainMs: 30_000 };

export interface SwapWork {
  /** Staged key tables, by service. */
  keys: Map<RestoredService, Part[]>;
  /** For the event. */
  counts: Record<string, string | number | null>;
  /** What the backup holds. */
  snapshot: Snapshot | undefined;
  /** Of the backup. */
  manifest: Manifest;
}

/**
 * Puts the built schemas in the place of the live ones, in one transaction: locks every live table,
 * lets the events of before leave, puts missing keys back, takes again what was taken since the
 * backup, renames, and writes down that it is done. Throws `RestoreFailed` live_busy,
 * outbox_not_drained or erasure_ledger_…; nothing is changed then.
 */
export async function swap(
  { pool, archiveDir }: Pick<RestoreContext, "pool" | "archiveDir">,
  task: RestoreTask,
  work: SwapWork,
  limits: SwapLimits,
): Promise<void> {
  if (!(await drained(pool, limits.drainMs))) throw new RestoreFailed("outbox_not_drained");
  await withRetries(limits.attempts, () => inTransaction(pool, (tx) => swapOnce(tx, archiveDir, task, work)));
}

async function swapOnce(
  tx: Tx,
  archiveDir: string,
  task: RestoreTask,
  { keys, counts, snapshot, manifest }: SwapWork,
): Promise<void> {
  const live = await lockLive(tx, "access exclusive");
  if (!(await isFenceHeld(tx, task.n))) throw new RestoreFailed("fence_lost");
  for (const { schema, table } of live) await unfenceTable(tx, schema, table, task.n);
  if (!(await drained(tx, LOCKED_DRAIN_MS))) throw new RestoreFailed("outbox_not_drained");
  let keysBack = 0;
  for (const service of RESTORED) {
    keysBack += await putKeysBack(tx, task.n, service, keys.get(service) ?? []);
  }
  // Nobody is erased any more until the commit: the tables are locked.
  await requireWholeLedger(tx, archiveDir, manifest);
  const taken = await takeAgain(tx, task.n);
  const listed = await listRows(tx, task.n);
  for (const service of RESTORED) {
    const { scratch, old } = schemasOf(service, task.n);
    if (await hasSchema(tx, service)) await renameSchema(tx, service, old);
    await renameSchema(tx, scratch, service);
    await noteRewind(tx, sysSchemaOf(service), snapshot);
  }
  if (!(await completeRestore(tx, task.id, THIS_RUNNER))) throw new RestoreFailed("interrupted");
  await emit(tx, "backup", restoredEvent(task, { ...counts, keysBack, ...taken, ...listed }));
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
