import type { Job } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { changeSessions, endSessions } from "./session.service.ts";
import { deleteEndedSessions, lockExpired } from "./session.store.ts";
import { refillSessions } from "./session-refill.service.ts";

const BATCH_ROWS = 200;
/** Postgres learns of uses at the next refresh only: one access token's life, and some. */
const IDLE_GRACE_MS = 6 * 60_000;
const KEEP_ENDED_MS = 30 * 24 * 3600_000;

export function sessionJobs(ctx: AuthContext): Job[] {
  let isFilled = false;
  ctx.redis.on("ready", () => {
    isFilled = false;
  });
  return [
    {
      name: "sweep-sessions",
      every: 60_000,
      exclusive: true,
      run: () => sweepSessions(ctx),
    },
    {
      // In each process, after each of its connects.
      name: "fill-session-cache",
      every: 500,
      async run() {
        if (isFilled || ctx.redis.status !== "ready") return;
        isFilled = true; // a connect meanwhile asks for it again
        try {
          const { filled } = await refillSessions(ctx);
          ctx.logger.info(
            { component: "redis", state: filled ? "filled" : "known" },
            "sessions are in Redis",
          );
        } catch (error) {
          isFilled = false;
          throw error;
        }
      },
    },
  ];
}

/** Ends sessions that ran out unnoticed, with their events, and deletes long ended ones. */
export async function sweepSessions(ctx: AuthContext): Promise<void> {
  for (let count = BATCH_ROWS; count === BATCH_ROWS; ) {
    count = await changeSessions(ctx, async (change) => {
      const expired = await lockExpired(change.tx, ctx.now(), IDLE_GRACE_MS, BATCH_ROWS);
      const ids = (absolute: boolean) =>
        expired.filter((one) => one.absolute === absolute).map(({ id }) => id);
      await endSessions(ctx, change, null, ids(true), "expired");
      await endSessions(ctx, change, null, ids(false), "idle");
      return expired.length;
    });
  }
  await deleteEndedSessions(ctx.pool, new Date(ctx.now().getTime() - KEEP_ENDED_MS));
}
