import type { Db, Tx } from "@medvault/postgres";

/** The lease on the row of final_rotation; its statements do nothing once another has taken it. */
export interface Lease {
  readonly owner: string;
  readonly fence: number;
}

/** Another process does the rotation now. */
export class LeaseLost extends Error {}

// Longer than any single step: the longest waits some 15 s for the key tables, and 3 s for Vault.
const LEASE_MS = 120_000;

/** Takes the lease if it is free, expired or one's own, else null. The fence rises each time. */
export async function takeLease(db: Db, owner: string): Promise<Lease | null> {
  const { rows } = await db.query<{ fence: number }>(
    `update final_rotation
        set fence = fence + 1, lease_owner = $1, lease_until = clock_timestamp() + $2 * interval '1 millisecond'
      where lease_owner = $1 or lease_until is null or lease_until < clock_timestamp()
      returning fence`,
    [owner, LEASE_MS],
  );
  return rows[0] ? { owner, fence: rows[0].fence } : null;
}

/** Locks the lease's row for this transaction and prolongs it. Throws LeaseLost if it is lost. */
export async function holdLease(tx: Tx, lease: Lease): Promise<void> {
  const { rowCount } = await tx.query(
    `update final_rotation set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
      where lease_owner = $1 and fence = $2`,
    [lease.owner, lease.fence, LEASE_MS],
  );
  if (rowCount !== 1) throw new LeaseLost("another process makes the shreds final");
}

/** Gives the lease up, and notes what held the rotation up, or null. */
export async function endLease(db: Db, lease: Lease, heldUpBy: string | null): Promise<void> {
  await db.query(
    `update final_rotation set lease_owner = null, lease_until = null, held_up_by = $3
      where lease_owner = $1 and fence = $2`,
    [lease.owner, lease.fence, heldUpBy],
  );
}

/** The active version when a rotation last came into the log; null when none ever did. */
export async function loggedVersion(db: Db): Promise<number | null> {
  const { rows } = await db.query<{ active_version: number | null }>(
    "select active_version from final_rotation",
  );
  return rows[0]?.active_version ?? null;
}

export async function noteLoggedVersion(tx: Tx, version: number): Promise<void> {
  await tx.query("update final_rotation set active_version = $1", [version]);
}

/** Whether to report again that shreds are overdue: once in so long. Notes that it is reported. */
export async function noteOverdue(tx: Tx, at: Date, againMs: number): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update final_rotation set overdue_told_at = $1::timestamptz
      where overdue_told_at is null or overdue_told_at <= $1::timestamptz - $2 * interval '1 millisecond'`,
    [at, againMs],
  );
  return rowCount === 1;
}

/** Why the last try did not get further, a stable code, or null. */
export async function heldUpBy(db: Db): Promise<string | null> {
  const { rows } = await db.query<{ held_up_by: string | null }>("select held_up_by from final_rotation");
  return rows[0]?.held_up_by ?? null;
}
