import type { Job } from "@medvault/runtime";
import { holdsBackup, removeBackup } from "../archive/archive.store.ts";
import type { Context } from "../context.ts";
import { isGone, THIS_RUNNER } from "../work/runner.ts";
import { endDeletion, listRemovals, listWorkers } from "./backup.store.ts";
import { endVerifying, failMaking } from "./making.service.ts";

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
];
