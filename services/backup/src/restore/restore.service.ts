import type { Keyring } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { inTransaction, withClient } from "@medvault/postgres";
import type { Logger } from "@medvault/service-kit";
import type pg from "pg";
import type { Archive } from "../backup/archive.ts";
import { BackupRefused } from "../backup/backup.errors.ts";
import { checkBackup } from "../backup/check.ts";
import { HEARTBEAT_MS, THIS_RUNNER } from "../backup/runner.ts";
import { type OpenedBackup, openBackup } from "../backup/seal-manifest.ts";
import { hashesOf } from "../keysets/keyset.store.ts";
import { loadSchema, stageKeys } from "./load.ts";
import { markRestoring, putBlobsBack } from "./put-back.ts";
import { RestoreFailed } from "./restore.errors.ts";
import { beatRestore, claimRestore, failRestore, listGone, runningNumbers } from "./restore.store.ts";
import { failedEvent, RESTORED, type RestoreTask } from "./restore.ts";
import { dropSchema, leftoverSchemas } from "./schemas.ts";
import { type SwapLimits, type SwapWork, swap } from "./swap.ts";

export interface RestoreDeps {
  /** The owner role's, with search_path backup, backup_sys. */
  pool: pg.Pool;
  keyring: Keyring;
  archive: Archive;
  filesDir: string;
  logger: Logger;
  /** Default `SWAP_LIMITS`. */
  limits?: SwapLimits;
}

/** Does every restore that was asked for, after cleaning up behind those that were killed. Returns how they ended. */
export async function runRestores(deps: RestoreDeps): Promise<{ done: number; failed: number }> {
  const ended = { done: 0, failed: 0 };
  await cleanUp(deps);
  for (;;) {
    const task = await claimRestore(deps.pool, THIS_RUNNER);
    if (!task) return ended;
    if (await runRestore(deps, task)) ended.done += 1;
    else ended.failed += 1;
    await cleanUp(deps);
  }
}

/** Marks what was killed as failed, and drops every schema that is not of a running restore. */
async function cleanUp({ pool }: RestoreDeps): Promise<void> {
  await failGoneRestores(pool);
  for (const schema of await leftoverSchemas(pool, await runningNumbers(pool)))
    await dropSchema(pool, schema);
}

/** Restores whose process is gone are failed: nothing live was changed, for what changes it also writes that it is done. */
export async function failGoneRestores(pool: pg.Pool): Promise<void> {
  for (const task of await listGone(pool)) await fail(pool, task, "interrupted", false);
}

/** False when it failed, and then nothing live was changed. */
async function runRestore(deps: RestoreDeps, task: RestoreTask): Promise<boolean> {
  const { pool, logger } = deps;
  const startedAt = Date.now();
  const timer = setInterval(() => {
    beatRestore(pool, task.id).catch((err: unknown) => logger.warn({ err }, "heartbeat failed"));
  }, HEARTBEAT_MS);
  try {
    await restore(deps, task);
    logger.info({ backupId: task.backupId, durationMs: Date.now() - startedAt }, "restored");
    return true;
  } catch (err) {
    const refused = err instanceof BackupRefused;
    const reason = refused || err instanceof RestoreFailed ? err.reason : "unexpected";
    logger.error({ err, backupId: task.backupId, reason }, "restore failed, nothing changed");
    await fail(pool, task, reason, refused);
    return false;
  } finally {
    clearInterval(timer);
  }
}

async function restore(deps: RestoreDeps, task: RestoreTask): Promise<void> {
  const { pool, keyring, archive, filesDir } = deps;
  const expected = await hashesOf(pool, task.backupId);
  if (!expected) throw new RestoreFailed("backup_gone");
  const backup = await openBackup(pool, keyring, archive.folderOf(task.backupId), task.backupId, expected);
  try {
    await checkBackup(archive, backup, new AbortController().signal);
    const work = await build(pool, backup, task);
    await markRestoring(filesDir, async () => {
      work.counts.blobsBack = await putBlobsBack(archive, backup, filesDir);
      await swap(pool, task, work, deps.limits);
    });
  } finally {
    backup.key.fill(0);
  }
}

function build(pool: pg.Pool, backup: OpenedBackup, task: RestoreTask): Promise<SwapWork> {
  return withClient(pool, async (client) => {
    const work: SwapWork = { keys: new Map(), counts: { rows: 0 } };
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
