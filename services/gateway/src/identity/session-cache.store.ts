import type { Redis } from "ioredis";

/** What Redis says of a session. `unknown`: ask auth (a miss, or a Redis that auth has not filled). */
export type CachedSession =
  | { state: "unknown" }
  | { state: "ended" }
  | { state: "live"; sub: string; role: string; pv: number; scope: string; enroll: boolean };

export interface SessionCache {
  /** One round trip: is Redis filled, does the session live, what may its role do now, and touch it. */
  look(sid: string, now: number): Promise<CachedSession>;
}

/** The idle end is moved on at most this often: each move is a write to Redis' log. */
const TOUCH_EVERY_MS = 1_000;

// KEYS: session:<sid>, sessions:filled, ended:<sid>. ARGV: now, run id, touch interval (ms).
// The idle end goes by the gateway's clock, which is also what auth writes it by.
const LOOK = `
if redis.call('exists', KEYS[3]) == 1 then return {'ended'} end
if redis.call('get', KEYS[2]) ~= ARGV[2] then return {'unknown'} end
local s = redis.call('hmget', KEYS[1], 'sub', 'role', 'idleEnd', 'absEnd', 'idleMs', 'enroll')
if not s[1] or not s[2] then return {'unknown'} end
local now = tonumber(ARGV[1])
local idleEnd, absEnd = tonumber(s[3]), tonumber(s[4])
if not idleEnd or not absEnd then return {'unknown'} end
if now >= idleEnd or now >= absEnd then return {'ended'} end
if s[5] then
  local moved = math.min(now + tonumber(s[5]), absEnd)
  if moved - idleEnd >= tonumber(ARGV[3]) then redis.call('hset', KEYS[1], 'idleEnd', string.format('%.0f', moved)) end
end
return {'live', s[1], s[2], s[6] or '0', redis.call('get', 'pv:' .. s[2]), redis.call('get', 'scope:' .. s[2])}`;

/** The gateway's side of the fast copy that auth keeps (services/auth, "sessions"). */
export function createSessionCache(redis: Redis): SessionCache {
  // A Redis that restarted or failed over has another run id, and comes with a new connection.
  let runId: string | null = null;
  const learn = () => {
    runId = null;
    redis.info("server").then(
      (info) => {
        runId = /^run_id:(\w+)/m.exec(info)?.[1] ?? null;
      },
      () => undefined, // gone again: the next connection asks
    );
  };
  redis.on("ready", learn);
  if (redis.status === "ready") learn();
  redis.on("close", () => {
    runId = null;
  });
  redis.defineCommand("medvaultSession", { numberOfKeys: 3, lua: LOOK });
  const look = (redis as unknown as { medvaultSession(...args: string[]): Promise<(string | null)[]> })
    .medvaultSession;

  return {
    async look(sid, now) {
      const [state, sub, role, enroll, pv, scope] = await look.call(
        redis,
        `session:${sid}`,
        "sessions:filled",
        `ended:${sid}`,
        String(now),
        runId ?? "none",
        String(TOUCH_EVERY_MS),
      );
      if (state === "ended") return { state };
      const known = state === "live" && sub && role && pv && (scope !== null || enroll === "1");
      if (!known) return { state: "unknown" };
      return { state, sub, role, pv: Number(pv), scope: scope ?? "", enroll: enroll === "1" };
    },
  };
}
