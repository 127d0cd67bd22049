import { type Job, looked, type Metric } from "@medvault/runtime";
import { holdsBackup, removeBackup } from "../archive/archive.store.ts";
import type { Context } from "../context.ts";
import { isGone, THIS_RUNNER } from "../work/runner.ts";
import { type BackupTimes, backupTimes, endDeletion, listRemovals, listWorkers } from "./backup.store.ts";
import { endVerifying, failMaking } from "./making.service.ts";
import { applyRetention, beginDue } from "./schedule.service.ts";

/**
 * Cleans up after processes that were killed: what they were making is failed and its files go;
 * what was being removed is removed. A directory that no row knows is left alone: it may be all
 * that is left of a lost database.
 */
export async function recoverBackups(context: Context): Promise<void> {
  const { pool, archiveDir, queue } = context;
  for (const { id, runner, silentMs } of await listWorkers(pool)) {
    // Ours, and yet not begun: its end could not be written down while the database was away.
    const isForgotten = runner === THIS_RUNNER && !queue.hasBegun(id);
    if (!isForgotten && !isGone(runner, silentMs)) continue;
    await failMaking(context, null, id, "interrupted");
    await endVerifying(context, null, id, "interrupted");
  }
  await queue.runIfIdle(async () => {
    for (const { id, state } of await listRemovals(pool)) {
      if (await holdsBackup(archiveDir, id)) await removeBackup(archiveDir, id);
      if (state === "deleting") await endDeletion(pool, id);
    }
  });
}

export const backupJobs = (context: Context): Job[] => [
  { name: "recover-backups", every: 30_000, run: () => recoverBackups(context) },
  { name: "backup-schedule", every: 15_000, run: () => beginDue(context, new Date()) },
  { name: "backup-retention", every: 60_000, exclusive: true, run: () => applyRetention(context) },
];

export function backupMetrics({ pool }: Context): Metric[] {
  const times = looked(() => backupTimes(pool));
  const metric = (name: string, help: string, of: keyof BackupTimes): Metric => ({
    ...{ name, help },
    read: async () => (await times())?.[of],
  });
  return [
    metric(
      "backup_last_success_timestamp_seconds",
      "When the newest whole backup was made; 0: never.",
      "made",
    ),
    metric(
      "backup_last_verified_timestamp_seconds",
      "When a kept backup was last found to be good; 0: never.",
      "verified",
    ),
    metric("backup_last_failure_timestamp_seconds", "When making a backup last failed; 0: never.", "failed"),
    metric("backups_kept", "Whole backups that are kept.", "kept"),
    metric("backup_size_bytes", "What the newest whole backup takes.", "sizeBytes"),
  ];
}
