import type { Binding } from "@medvault/contracts";
import type { Redis } from "ioredis";
import type { AccessClaims } from "./access-token.ts";
import type { CachedSession } from "./session.ts";

/** The idle end is moved on at most this often: each move is a write to Redis' log. */
const TOUCH_EVERY_MS = 1_000;
/** Of a look that is no use of the session: it moves nothing. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

/**
 * The session's part of the script that admits a request: is Redis filled, does the session live,
 * what may its role do now; and it touches the session. k: session:<sid>, ended:<sid>,
 * sessions:filled, pv:<role>, scope:<role>; a: now, run id, touch interval (ms), the token's role,
 * the token's pv. The idle end goes by the gateway's clock; auth writes it by the same time.
 */
export const SESSION_LUA = `
local function session(k, a)
  local m = redis.call('mget', k[2], k[3], k[4])
  if m[1] then return {'ended'} end
  if m[2] ~= a[2] then return {'unknown'} end
  local s = redis.call('hmget', k[1], 'sub', 'role', 'idleEnd', 'absEnd', 'idleMs', 'enroll',
    'uaHash', 'net', 'bindAgent', 'bindAddress', 'transport', 'csrf')
  local now, idleEnd, absEnd = tonumber(a[1]), tonumber(s[3] or ''), tonumber(s[4] or '')
  if not s[1] or not s[2] or not idleEnd or not absEnd or not s[8] then return {'unknown'} end
  if now >= idleEnd or now >= absEnd or s[2] ~= a[4] then return {'ended'} end
  if s[5] then
    local moved = math.min(now + tonumber(s[5]), absEnd)
    if moved - idleEnd >= tonumber(a[3]) then redis.call('hset', k[1], 'idleEnd', string.format('%.0f', moved)) end
  end
  local scope = false
  if not m[3] then return {'unknown'} end
  if m[3] ~= a[5] then scope = redis.call('get', k[5]) end
  return {'live', s[1], s[6] or '0', m[3] == a[5] and '1' or '0', scope, s[7], s[8], s[9], s[10], s[11], s[12]}
end`;

export type SessionRow = readonly (string | null)[];

/** The keys (five) and arguments (five) of `SESSION_LUA` for one token; a use touches it. */
export function sessionQuery(
  claims: AccessClaims,
  runId: string | null,
  now: number,
  isUse: boolean,
): { keys: string[]; args: string[] } {
  return {
    keys: [
      `session:${claims.sid}`,
      `ended:${claims.sid}`,
      "sessions:filled",
      `pv:${claims.role}`,
      `scope:${claims.role}`,
    ],
    args: [
      String(now),
      runId ?? "none",
      String(isUse ? TOUCH_EVERY_MS : NEVER_MS),
      claims.role,
      String(claims.pv),
    ],
  };
}

/** What `SESSION_LUA` answered. */
export function readSession(row: SessionRow): CachedSession {
  const [state, sub, enroll, unchanged, scope, uaHash, net, bindAgent, bindAddress, transport, csrf] = row;
  if (state === "ended") return { state };
  if (state !== "live" || !sub) return { state: "unknown" };
  if (unchanged !== "1" && typeof scope !== "string" && enroll !== "1") return { state: "unknown" };
  return {
    state,
    sub,
    scope: unchanged === "1" ? null : (scope ?? ""),
    enroll: enroll === "1",
    uaHash: uaHash ?? "",
    net: net ?? "",
    bindAgent: bindingOf(bindAgent),
    bindAddress: bindingOf(bindAddress),
    transport: transport === "cookie" ? "cookie" : "bearer",
    csrf: csrf ?? "",
  };
}

/** An unknown value counts as the strictest one. */
function bindingOf(value: string | null | undefined): Binding {
  return value === "off" || value === "watch" ? value : "enforce";
}

/** The run id of Redis, asked at each connection: it changes when Redis restarts or fails over. */
export function watchRunId(redis: Redis): () => string | null {
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
  return () => runId;
}
