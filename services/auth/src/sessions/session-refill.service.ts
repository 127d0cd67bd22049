import type { Redis } from "ioredis";
import type { AuthContext } from "../context.ts";
import { listRoles } from "../roles/role.store.ts";
import { endedSessionIdsAfter, liveSessionsAfter } from "./session.store.ts";

const BATCH_ROWS = 500;
/** The gateway believes Redis only while this holds its run id: a restarted one knows nothing. */
const FILLED_KEY = "sessions:filled";

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
