import { NotFound } from "@medvault/contracts";
import type { MakingContext } from "../context.ts";
import { RestoreRunning } from "../restores/restore.errors.ts";
import { findBackup, newestWhole, takeTurn, underWay } from "./backup.store.ts";
import { makeBackupNow, verifyNow } from "./making.service.ts";

/** Which backup, and the stable code of what is wrong with it; null: nothing. */
export interface Done {
  readonly id: string | null;
  readonly error: string | null;
}

/**
 * Makes a backup in nobody's name.
 * @throws BackupRunning, RestoreRunning
 */
export async function makeScheduled(context: MakingContext): Promise<Done> {
  const id = await makeBackupNow(context, null, async (tx) => {
    await takeTurn(tx);
    if ((await underWay(tx)).restore) throw new RestoreRunning();
  });
  return { id, error: id ? null : "failed" };
}

/**
 * Verifies the newest backup that is whole, in nobody's name.
 * @throws NotFound where there is none, BackupRunning while another verification runs
 */
export async function verifyNewest(context: MakingContext): Promise<Done> {
  const id = await newestWhole(context.pool);
  if (id === null) throw new NotFound();
  await verifyNow(context, id);
  const verified = await findBackup(context.pool, id);
  return { id, error: verified ? verified.verifyError : "deleted" };
}
