import type { Db, Tx } from "@medvault/postgres";
import { WriterFenced } from "./writer.errors.ts";

/** Who writes: `epoch` fences off the writer before, `size` is the tree size to append at. */
export interface Lease {
  readonly epoch: number;
  readonly size: number;
}

/** Takes the lease when it is free or run out. Null while another holds it. */
export async function takeLease(db: Db, owner: string, leaseMs: number): Promise<Lease | null> {
  const { rows } = await db.query<Lease>(
    `update writer
        set epoch = epoch + 1, owner = $1, lease_until = clock_timestamp() + $2::float8 * interval '1 millisecond'
      where lease_until is null or lease_until < clock_timestamp()
      returning epoch, size`,
    [owner, leaseMs],
  );
  return rows[0] ?? null;
}

/** Renews the lease. False when another took it; one that merely ran out is still ours. */
export async function renewLease(db: Db, epoch: number, leaseMs: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `update writer set lease_until = clock_timestamp() + $2::float8 * interval '1 millisecond' where epoch = $1`,
    [epoch, leaseMs],
  );
  return rowCount === 1;
}

/** Gives the lease up, so that a standby need not wait for it to run out. */
export async function releaseLease(db: Db, epoch: number): Promise<void> {
  await db.query("update writer set lease_until = null, owner = null where epoch = $1", [epoch]);
}

/**
 * Locks the row until the transaction ends: while it is held no other process takes the lease,
 * appends or signs.
 * @throws WriterFenced when `epoch` is not the present one.
 */
export async function lockWriter(tx: Tx, epoch: number): Promise<Lease> {
  const { rows } = await tx.query<Lease>("select epoch, size from writer where epoch = $1 for update", [
    epoch,
  ]);
  if (rows[0] === undefined) throw new WriterFenced();
  return rows[0];
}

/** The tree size that the next append expects. */
export async function expectedSize(db: Db): Promise<number> {
  const { rows } = await db.query<{ size: number }>("select size from writer");
  return rows[0]?.size ?? 0;
}
