import type { Db } from "@medvault/postgres";
import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import type { BlobStore } from "./blob.store.ts";
import { referencedBlobs } from "./file.store.ts";

/** Longer than any transaction can take between a blob's rename and its row's commit. */
const ORPHAN_GRACE_MS = 15 * 60 * 1000;
const BATCH_BLOBS = 500;

/**
 * Removes blobs without a row, left by a process killed between a blob's rename and its row's
 * commit, or between a row's deletion and its blob's, or by a restore. Returns how many.
 */
export async function sweepOrphans(db: Db, blobs: BlobStore, graceMs = ORPHAN_GRACE_MS): Promise<number> {
  let swept = 0;
  let batch: string[] = [];
  const flush = async () => {
    const referenced = await referencedBlobs(db, batch);
    const orphans = batch.filter((name) => !referenced.has(name));
    batch = [];
    if (orphans.length === 0 || (await blobs.restoring())) return;
    await blobs.discard(orphans);
    swept += orphans.length;
  };
  for await (const name of blobs.kept(graceMs)) {
    if (batch.push(name) >= BATCH_BLOBS) await flush();
  }
  if (batch.length > 0) await flush();
  return swept;
}

/** Once at the start, and every ten minutes. */
export const fileJobs = ({ pool, blobs }: Context): Job[] => [
  {
    name: "sweep-orphan-blobs",
    every: 10 * 60 * 1000,
    run: async () => void (await sweepOrphans(pool, blobs)),
  },
];
