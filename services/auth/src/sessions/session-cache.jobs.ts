import type { Keyring } from "@medvault/keys";
import type { Logger } from "@medvault/service-kit";
import type { Redis } from "ioredis";
import type pg from "pg";
import { listRoles } from "../roles/role.store.ts";
import { endedSessionIdsAfter, liveSessionsAfter } from "./session.store.ts";
import type { SessionCache } from "./session-cache.store.ts";

const BATCH_ROWS = 500;
/** The gateway believes Redis only while this key holds Redis' own run id: a restarted one knows nothing yet. */
const FILLED_KEY = "sessions:filled";

export interface RefillOptions {
  pool: pg.Pool;
  keyring: Keyring;
  redis: Redis;
  cache: SessionCache;
  now(): Date;
}

/**
 * Brings Redis to what Postgres knows, after every (re)connect: role versions and ended sessions always, since we may
 * have been unable to tell; live sessions when this Redis has not been filled since it started. Throws as the two do.
 */
export async function refillSessions(o: RefillOptions): Promise<{ filled: boolean }> {
  const runId = await runIdOf(o.redis);
  for (const role of await listRoles(o.pool)) await o.cache.putRole(role);
  for (let after: string | null = null; ; ) {
    const ids: string[] = await endedSessionIdsAfter(o.pool, after, BATCH_ROWS, o.now());
    await o.cache.remove(ids);
    after = ids.at(-1) ?? null;
    if (ids.length < BATCH_ROWS) break;
  }
  if ((await o.redis.get(FILLED_KEY)) === runId) return { filled: false };
  for (let after: string | null = null; ; ) {
    const sessions = await liveSessionsAfter(o.pool, o.keyring, after, BATCH_ROWS, o.now());
    await Promise.all(sessions.map((session) => o.cache.put(session)));
    after = sessions.at(-1)?.id ?? null;
    if (sessions.length < BATCH_ROWS) break;
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

/** Refills at every connect, trying again until it has worked or the connection is lost once more. */
export function keepFilled(o: RefillOptions & { logger: Logger }): { ready(): Promise<void>; stop(): void } {
  let latest: Promise<void> = Promise.resolve();
  const fill = async (): Promise<void> => {
    for (let backoffMs = 100; o.redis.status === "ready"; backoffMs = Math.min(backoffMs * 2, 5_000)) {
      try {
        const { filled } = await refillSessions(o);
        o.logger.info({ component: "redis", state: filled ? "filled" : "known" }, "sessions are in Redis");
        return;
      } catch (err) {
        o.logger.warn({ err, backoffMs, component: "redis" }, "Redis could not be filled");
        await new Promise((resolve) => setTimeout(resolve, backoffMs).unref());
      }
    }
  };
  const onReady = (): void => {
    latest = fill();
  };
  o.redis.on("ready", onReady);
  if (o.redis.status === "ready") onReady();
  return {
    ready: () => latest,
    stop() {
      o.redis.off("ready", onReady);
    },
  };
}
