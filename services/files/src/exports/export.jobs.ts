import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { exportEvent } from "./export.events.ts";
import { expireExports, forgetExports } from "./export.store.ts";
import { makeExports } from "./export-making.service.ts";

/** Made by one process at a time. */
const LANES = [1, 2];
const LOOK_MS = 1_000;
const EXPIRE_MS = 60_000;
const BATCH = 100;
/** For so long their states are told. */
const REMEMBERED_MS = 30 * 24 * 3600_000;

/** Destroys the archives whose time is up, their keys first; returns how many. */
export async function expireDue({ pool, blobs }: Context): Promise<number> {
  const ended = await inTransaction(pool, async (tx) => {
    const due = await expireExports(tx, "due", BATCH);
    for (const one of due) await emit(tx, "files", exportEvent(null, "expired", one, { reason: "time" }));
    return due;
  });
  await blobs.discard(ended.map(({ blob }) => blob));
  return ended.length;
}

export const exportJobs = (context: Context): Job[] => [
  ...LANES.map((lane) => ({
    name: `make-exports-${lane}`,
    every: LOOK_MS,
    run: ({ signal }: { signal: AbortSignal }) => makeExports(context, signal),
  })),
  {
    name: "expire-exports",
    every: EXPIRE_MS,
    run: async () => {
      while ((await expireDue(context)) === BATCH);
      await forgetExports(context.pool, REMEMBERED_MS, BATCH);
    },
  },
];
