import type { AuthContext } from "../context.ts";
import { changeSessions, endSessions } from "./session.service.ts";
import { deleteEndedSessions, lockExpired } from "./session.store.ts";

const BATCH_ROWS = 200;
/** Redis may know of a use that Postgres learns of at the next refresh: one access token's life, and some. */
const IDLE_GRACE_MS = 6 * 60_000;
const KEEP_ENDED_MS = 30 * 24 * 3600_000;

/** Ends the sessions that ran out unnoticed, with their events, and deletes those that ended long ago. Says how many ended. */
export async function sweepSessions(ctx: AuthContext): Promise<number> {
  let total = 0;
  for (let count = BATCH_ROWS; count === BATCH_ROWS; total += count) {
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
  return total;
}
