import { shred } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { forgetEverywhere } from "../lockout/known-device.store.ts";

/**
 * Locks every active admin's row, in one order, and says who they are, so that two demotions at once cannot leave
 * nobody. Call it before any other account is locked: then nobody waits for whom they block.
 */
export async function lockActiveAdmins(tx: Tx): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `select id from users where role = 'admin' and not disabled and activated order by id for no key update`,
  );
  return rows.map((row) => row.id);
}

/** Whether there is any admin, active or not. */
export async function adminExists(db: Db): Promise<boolean> {
  const { rows } = await db.query(`select from users where role = 'admin' limit 1`);
  return rows.length > 0;
}

/** Deletes the account and shreds the key that opens what is left of it; its sessions must have ended before. */
export async function deleteAccount(tx: Tx, id: string): Promise<void> {
  await tx.query(`delete from users where id = $1`, [id]);
  await tx.query(`delete from one_time_tokens where user_id = $1`, [id]);
  await forgetEverywhere(tx, id);
  await shred(tx, id);
}
