import { isStorageFull } from "@medvault/contracts";
import type { Redis } from "ioredis";
import CircuitBreaker from "opossum";
import type { AccessClaims } from "../identity/access-token.ts";
import type { CachedSession } from "../identity/session.ts";
import {
  readSession,
  SESSION_LUA,
  type SessionRow,
  sessionQuery,
  watchRunId,
} from "../identity/session-cache.store.ts";
import type { Limit, LimitState } from "../limits/limit.ts";

export interface AdmissionQuery {
  /** Counted first, in order, up to the first that is over. */
  readonly ofAddress: readonly Limit[];
  readonly claims: AccessClaims | null;
  /** Counted unless the session has ended: an old token must not use up its user's limits. */
  readonly ofUser: readonly Limit[];
}

export interface AdmissionResult {
  readonly counted: LimitState[];
  readonly refused: LimitState | null;
  /** Null when it was not asked for, or not reached. */
  readonly session: CachedSession | null;
}

export interface AdmissionStore {
  /** One round trip. Rejects when Redis does not answer. */
  query(query: AdmissionQuery): Promise<AdmissionResult>;
  close(): void;
}

/** Redis answers in under 1 ms; only one that hangs takes this long. */
const ANSWER_MS = 600;

const BREAKER: CircuitBreaker.Options = {
  timeout: false, // would blame Redis for this process's own delays: see `within`
  volumeThreshold: 3, // three waits in sequence must fit into the window
  errorThresholdPercentage: 50,
  rollingCountTimeout: 3_000,
  resetTimeout: 500,
  errorFilter: isStorageFull, // it answers: who asks is told why
};

// KEYS: the limits' (address's, then user's), then the session's five. ARGV: how many limits, how
// many of them are the address's, four for each limit (points, cost, window in ms, member or ''),
// then the session's five. Returns {0 or which limit is over, used and remaining ms of each limit
// that was counted, the session or false}.
const ADMIT = `${SESSION_LUA}
local all, ofAddress = tonumber(ARGV[1]), tonumber(ARGV[2])
local counted, seen = {}, false
for i = 1, all + 1 do
  if i == ofAddress + 1 and KEYS[all + 1] then
    local a = 2 + 4 * all
    seen = session({KEYS[all + 1], KEYS[all + 2], KEYS[all + 3], KEYS[all + 4], KEYS[all + 5]},
      {ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]})
    if seen[1] == 'ended' then return {0, counted, seen} end
  end
  if i > all then break end
  local key, a = KEYS[i], 4 * i - 1
  local points, cost, window, member = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), ARGV[a + 2], ARGV[a + 3]
  local used, fresh, over
  if member == '' then
    used = redis.call('incrby', key, cost)
    fresh = used == cost
    over = used > points
    if over then used = redis.call('decrby', key, cost) end
  else
    used = redis.call('scard', key)
    if redis.call('sismember', key, member) == 0 then
      over = used >= points
      if not over then
        redis.call('sadd', key, member)
        used = used + 1
        fresh = used == 1
      end
    end
  end
  local left = tonumber(window)
  if fresh then redis.call('pexpire', key, window) else left = redis.call('pttl', key) end
  counted[2 * i - 1] = used
  counted[2 * i] = left
  if over then return {i, counted, seen} end
end
return {0, counted, seen}`;

type Row = [over: number, counted: number[], session: SessionRow | null];
type Command = (keys: number, ...args: (string | number)[]) => Promise<Row>;

/** Limits and session in one script: one round trip a request, and all gateways count exactly. */
export function createAdmissionStore(redis: Redis): AdmissionStore {
  const runId = watchRunId(redis);
  redis.defineCommand("medvaultAdmit", { lua: ADMIT });
  const admit = (redis as unknown as { medvaultAdmit: Command }).medvaultAdmit.bind(redis);
  const run = async ({ ofAddress, claims, ofUser }: AdmissionQuery): Promise<AdmissionResult> => {
    const limits = [...ofAddress, ...ofUser];
    const keys = limits.map((limit) => limit.key);
    const args: (string | number)[] = [limits.length, ofAddress.length];
    for (const { points, cost, windowMs, member } of limits) args.push(points, cost, windowMs, member ?? "");
    if (claims) {
      const session = sessionQuery(claims, runId(), Date.now());
      keys.push(...session.keys);
      args.push(...session.args);
    }
    const [over, numbers, row] = await admit(keys.length, ...keys, ...args);
    const counted = limits.slice(0, numbers.length / 2).map((limit, i) => ({
      limit,
      used: numbers[2 * i] ?? 0,
      resetMs: Math.max(0, numbers[2 * i + 1] ?? 0),
    }));
    const refused = over > 0 ? (counted[over - 1] ?? null) : null;
    return { counted, refused, session: row ? readSession(row) : null };
  };
  // A Redis that hangs costs the first few requests a wait; the others are refused at once.
  const breaker = new CircuitBreaker((query: AdmissionQuery) => within(ANSWER_MS, run(query)), BREAKER);
  return { query: (query) => breaker.fire(query), close: () => breaker.shutdown() };
}

/** `promise`, or a rejection after `ms`. An answer that came while this process was busy counts. */
function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // Timers run before sockets are read: one round of reading first.
      setImmediate(() => setImmediate(() => reject(new Error("Redis did not answer in time"))));
    }, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
