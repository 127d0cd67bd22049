import type { RestoreChanges } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, withClient } from "@medvault/postgres";
import type pg from "pg";
import { BackupRefused } from "../archive/archive.errors.ts";
import { checkBackup } from "../archive/check.service.ts";
import { type OpenedBackup, openBackup } from "../archive/manifest.store.ts";
import type { RestoreContext } from "../context.ts";
import { hashesOf } from "../keysets/keyset.store.ts";
import { THIS_RUNNER, whileBeating } from "../work/runner.ts";
import { markRestoring, putBlobsBack } from "./blob.store.ts";
import { compareWithLive, isLiveWhole } from "./changes.store.ts";
import { fenced } from "./fence.service.ts";
import { leftoverFences, unfenceTable } from "./fence.store.ts";
import { requireWholeLedger } from "./ledger.service.ts";
import { loadSchema, stageKeys } from "./load.service.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { failedEvent, requesterOf, restoredEvent } from "./restore.events.ts";
import {
  beatRestore,
  claimRestore,
  completeRestore,
  failRestore,
  listGone,
  noteChanges,
  runningNumbers,
} from "./restore.store.ts";
import { RESTORED, type RestoreTask } from "./restore.ts";
import { dropSchema, leftoverSchemas } from "./schema.store.ts";
import { SWAP_LIMITS, type SwapLimits, type SwapWork, swap } from "./swap.service.ts";

/**
 * Does every restore that was asked for, after cleaning up behind those that were killed. Returns
 * how they ended.
 */
export async function runRestores(
  context: RestoreContext,
  limits: SwapLimits = SWAP_LIMITS,
): Promise<{ done: number; failed: number }> {
  const { pool } = context;
  const ended = { done: 0, failed: 0 };
  await cleanUp(pool);
  for (;;) {
    const task = await claimRestore(pool, THIS_RUNNER);
    if (!task) return ended;
    if (await runRestore(context, task, limits)) ended.done += 1;
    else ended.failed += 1;
    await cleanUp(pool);
  }
}

/** Marks what was killed as failed, and drops every schema and fence of no running restore. */
async function cleanUp(pool: pg.Pool): Promise<void> {
  await failGoneRestores(pool);
  const running = await runningNumbers(pool);
  for (const schema of await leftoverSchemas(pool, running)) await dropSchema(pool, schema);
  for (const { schema, table, n } of await leftoverFences(pool, running))
    await unfenceTable(pool, schema, table, n);
}

/**
 * Restores whose process is gone are failed: nothing live was changed, for the transaction that
 * changes it also writes that the restore is done.
 */
export async function failGoneRestores(pool: pg.Pool): Promise<void> {
  for (const task of await listGone(pool)) await fail(pool, task, "interrupted", false);
}

/** False when it failed, and then nothing live was changed. */
async function runRestore(context: RestoreContext, task: RestoreTask, limits: SwapLimits): Promise<boolean> {
  const { pool, logger } = context;
  const startedAt = Date.now();
  try {
    const beat = () => beatRestore(pool, task.id);
    await whileBeating(beat, logger, () => restore(context, task, limits));
    logger.info({ backupId: task.backupId, durationMs: Date.now() - startedAt }, "restored");
    return true;
  } catch (err) {
    const refused = err instanceof BackupRefused;
    const reason = refused || err instanceof RestoreFailed ? err.reason : "unexpected";
    logger.error({ err, backupId: task.backupId, reason }, "restore failed, nothing changed");
    await fail(pool, task, reason, refused);
    return false;
  }
}

async function restore(context: RestoreContext, task: RestoreTask, limits: SwapLimits): Promise<void> {
  const { pool } = context;
  const expected = await hashesOf(pool, task.backupId);
  if (!expected) throw new RestoreFailed("backup_gone");
  const backup = await openBackup(context, task.backupId, expected);
  try {
    await checkBackup(backup, { signal: new AbortController().signal });
    await requireWholeLedger(pool, context.archiveDir, backup.manifest);
    if (task.kind === "preview") await preview(context, backup, task);
    else await fenced(pool, task.n, limits.attempts, () => replace(context, backup, task, limits));
  } finally {
    backup.key.fill(0);
  }
}

/** All that is done under the fence. */
async function replace(
  context: RestoreContext,
  backup: OpenedBackup,
  task: RestoreTask,
  limits: SwapLimits,
): Promise<void> {
  const { pool, filesDir } = context;
  const work = await build(pool, backup, task);
  const safetyBackupId = await keepWhatIsThere(context, task);
  const changes = await withClient(pool, (client) => compareWithLive(client, task.n));
  await noteChanges(pool, task.id, changes, safetyBackupId);
  Object.assign(work.counts, countsOf(changes), { safetyBackupId });
  await markRestoring(filesDir, async () => {
    work.counts.blobsBack = await putBlobsBack(backup, filesDir);
    await swap(context, task, work, limits);
  });
}

/**
 * Makes a backup of what is about to be replaced; null when that is no longer whole, or none was
 * wanted. Throws `RestoreFailed` safety_backup_failed.
 */
async function keepWhatIsThere(context: RestoreContext, task: RestoreTask): Promise<string | null> {
  if (task.withoutSafetyBackup || !(await isLiveWhole(context.pool, task.n))) return null;
  const id = await context.makeBackup(requesterOf(task));
  if (!id) throw new RestoreFailed("safety_backup_failed");
  return id;
}

async function preview(context: RestoreContext, backup: OpenedBackup, task: RestoreTask): Promise<void> {
  const { pool } = context;
  const { counts } = await build(pool, backup, task);
  const changes = await withClient(pool, (client) => compareWithLive(client, task.n));
  await inTransaction(pool, async (tx) => {
    await noteChanges(tx, task.id, changes, null);
    if (!(await completeRestore(tx, task.id, THIS_RUNNER))) throw new RestoreFailed("interrupted");
    await emit(tx, "backup", restoredEvent(task, { ...counts, ...countsOf(changes) }));
  });
}

function countsOf({ written, changed, removed, patients }: RestoreChanges): Record<string, number> {
  return { written, changed, removed, patients };
}

function build(pool: pg.Pool, backup: OpenedBackup, task: RestoreTask): Promise<SwapWork> {
  return withClient(pool, async (client) => {
    const { snapshot } = backup.manifest;
    const keys: SwapWork["keys"] = new Map();
    let rows = 0;
    for (const service of RESTORED) {
      rows += await loadSchema(client, backup, service, task.n);
      keys.set(service, await stageKeys(client, backup, service, task.n));
    }
    return { keys, counts: { rows }, snapshot, manifest: backup.manifest };
  });
}

async function fail(pool: pg.Pool, task: RestoreTask, reason: string, refused: boolean): Promise<void> {
  await inTransaction(pool, async (tx) => {
    if (await failRestore(tx, task.id, reason)) await emit(tx, "backup", failedEvent(task, reason, refused));
  });
}
