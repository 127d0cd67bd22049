import type { Db, Tx } from "@medvault/postgres";
import type { SignedCheckpoint } from "../tree/checkpoint.ts";

/** A checkpoint in the history. */
export interface PastCheckpoint {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  readonly signedAt: Date;
}

/** Adds a checkpoint to the history; one that is in it stays as it is. */
export async function recordCheckpoint(tx: Tx, checkpoint: SignedCheckpoint, signedAt: Date): Promise<void> {
  await tx.query(
    "insert into checkpoints (size, root, note, signed_at) values ($1, $2, $3, $4) on conflict (size) do nothing",
    [checkpoint.size, checkpoint.root, checkpoint.note, signedAt],
  );
}

/** The largest checkpoint of the history. */
export async function latestCheckpoint(db: Db): Promise<PastCheckpoint | null> {
  return (await checkpointsBelow(db, null, 1))[0] ?? null;
}

/** The checkpoint of exactly this size. */
export async function checkpointOfSize(db: Db, size: number): Promise<PastCheckpoint | null> {
  const { rows } = await db.query<PastCheckpoint>(
    `select size, root, note, signed_at as "signedAt" from checkpoints where size = $1`,
    [size],
  );
  return rows[0] ?? null;
}

/** Checkpoints of more than `from` and at most `to` entries, smallest first. */
export async function pastCheckpoints(db: Db, from: number, to: number): Promise<PastCheckpoint[]> {
  const { rows } = await db.query<PastCheckpoint>(
    `select size, root, note, signed_at as "signedAt" from checkpoints where size > $1 and size <= $2 order by size`,
    [from, to],
  );
  return rows;
}

/** Checkpoints smaller than `below` (null: all), largest first. */
export async function checkpointsBelow(
  db: Db,
  below: number | null,
  limit: number,
): Promise<PastCheckpoint[]> {
  const { rows } = await db.query<PastCheckpoint>(
    `select size, root, note, signed_at as "signedAt" from checkpoints
      where $1::bigint is null or size < $1 order by size desc limit $2`,
    [below, limit],
  );
  return rows;
}
