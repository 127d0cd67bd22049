import { inTransaction } from "@medvault/postgres";
import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { countNext, forgetBefore, recountDay } from "./tally.store.ts";

const EVERY_MS = 5_000;
const RECOUNT_EVERY_MS = 3_600_000;
const STEP_ENTRIES = 10_000;
const DAY_MS = 86_400_000;
const RECOUNTED_DAYS = 366;

export const tallyJobs = (context: Context): Job[] => [
  {
    name: "count-statistics",
    every: EVERY_MS,
    exclusive: true,
    run: async ({ signal }) => {
      while (!signal.aborted && (await countNext(context.pool, STEP_ENTRIES)) === STEP_ENTRIES);
    },
  },
  { name: "recount-statistics", every: RECOUNT_EVERY_MS, exclusive: true, run: () => recount(context) },
];

/** Yesterday, and any one of the last year. */
async function recount({ pool, logger, now, retention }: Context): Promise<void> {
  for (const daysAgo of [1, 2 + Math.floor(Math.random() * RECOUNTED_DAYS)]) {
    const day = new Date(now().getTime() - daysAgo * DAY_MS).toISOString().slice(0, 10);
    const wrong = await inTransaction(pool, (tx) => recountDay(tx, day));
    if (wrong > 0) logger.error({ day, wrong }, "statistics were not what the log gives, and are put right");
  }
  const kept = now();
  kept.setUTCFullYear(kept.getUTCFullYear() - retention.years);
  await forgetBefore(pool, kept);
}
