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
import { fenced } from "./fence.service.ts";
import { leftoverFences, unfenceTable } from "./fence.store.ts";
import { loadSchema, stageKeys } from "./load.service.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { failedEvent } from "./restore.events.ts";
import { beatRestore, claimRestore, failRestore, listGone, runningNumbers } from "./restore.store.ts";
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
  const { pool, filesDir } = context;
  const expected = await hashesOf(pool, task.backupId);
  if (!expected) throw new RestoreFailed("backup_gone");
  const backup = await openBackup(context, task.backupId, expected);
  try {
    await checkBackup(backup, new AbortController().signal);
    await fenced(pool, task.n, limits.attempts, async () => {
      const work = await build(pool, backup, task);
      await markRestoring(filesDir, async () => {
        work.counts.blobsBack = await putBlobsBack(backup, filesDir);
        await swap(pool, task, work, limits);
      });
    });
  } finally {
    backup.key.fill(0);
  }
}

function build(pool: pg.Pool, backup: OpenedBackup, task: RestoreTask): Promise<SwapWork> {
  return withClient(pool, async (client) => {
    const { snapshot } = backup.manifest;
    const work: SwapWork = { keys: new Map(), counts: { rows: 0 }, snapshot };
    for (const service of RESTORED) {
      work.counts.rows = (work.counts.rows ?? 0) + (await loadSchema(client, backup, service, task.n));
      work.keys.set(service, await stageKeys(client, backup, service, task.n));
    }
    return work;
  });
}

async function fail(pool: pg.Pool, task: RestoreTask, reason: string, refused: boolean): Promise<void> {
  await inTransaction(pool, async (tx) => {
    if (await failRestore(tx, task.id, reason)) await emit(tx, "backup", failedEvent(task, reason, refused));
  });
}
