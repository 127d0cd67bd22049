import { type Job, looked, type Metric } from "@medvault/runtime";
import type { Redis } from "ioredis";
import type { AuthContext } from "../context.ts";
import { listRoles } from "../roles/role.store.ts";
import { changeSessions, endSessions } from "./session.service.ts";
import {
  countLive,
  deleteEndedSessions,
  endedSessionIdsAfter,
  liveSessionsAfter,
  lockExpired,
} from "./session.store.ts";

const BATCH_ROWS = 200;
/** Postgres learns of uses at the next refresh or step-up: the longest token's life, and some. */
const IDLE_GRACE_MS = 11 * 60_000;
const KEEP_ENDED_MS = 30 * 24 * 3600_000;
const REFILL_ROWS = 500;
/** The gateway believes Redis only while this holds its run id: a restarted one knows nothing. */
const FILLED_KEY = "sessions:filled";

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

export function sessionMetrics(ctx: AuthContext): Metric[] {
  const live = looked(() => countLive(ctx.pool, ctx.now()));
  return [
    {
      name: "auth_sessions_live",
      help: "Sessions that are alive, by role, counted up to 100,000 (of the whole service).",
      labelNames: ["role"],
      read: async () => (await live())?.map(({ role, count }) => ({ labels: { role }, value: count })),
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

/**
 * Brings Redis to what Postgres knows, after every (re)connect: role versions and ended sessions
 * always, since we may have been unable to tell; live sessions when this Redis has not been filled
 * since it started. Throws as the two do.
 */
export async function refillSessions(
  o: Pick<AuthContext, "pool" | "keyring" | "redis" | "cache" | "now">,
): Promise<{ filled: boolean }> {
  const runId = await runIdOf(o.redis);
  for (const role of await listRoles(o.pool)) await o.cache.putRole(role);
  for (let after: string | null = null; ; ) {
    const ids: string[] = await endedSessionIdsAfter(o.pool, after, REFILL_ROWS, o.now());
    await o.cache.remove(ids);
    after = ids.at(-1) ?? null;
    if (ids.length < REFILL_ROWS) break;
  }
  if ((await o.redis.get(FILLED_KEY)) === runId) return { filled: false };
  for (let after: string | null = null; ; ) {
    const sessions = await liveSessionsAfter(o.pool, o.keyring, after, REFILL_ROWS, o.now());
    await Promise.all(sessions.map((session) => o.cache.put(session)));
    after = sessions.at(-1)?.id ?? null;
    if (sessions.length < REFILL_ROWS) break;
  }
  // It may have failed over meanwhile: then it is another one, and the next connect fills it.
  if ((await runIdOf(o.redis)) === runId) await o.redis.set(FILLED_KEY, runId);
  return { filled: true };
}

async function runIdOf(redis: Redis): Promise<string> {
  const runId = /^run_id:([0-9a-f]+)/m.exec(await redis.info("server"))?.[1];
  if (!runId) throw new Error("Redis does not say its run id");
  return runId;
}
