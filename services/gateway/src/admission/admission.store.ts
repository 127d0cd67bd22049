import { setTimeout as sleep } from "node:timers/promises";
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
import { LEASE_MS, Leases } from "./lease.ts";
import { RecentSessions } from "./recent-session.ts";

export interface AdmissionQuery {
  /** Counted first, in order, up to the first that is over. */
  readonly ofAddress: readonly Limit[];
  readonly claims: AccessClaims | null;
  /** Counted unless the session has ended: an old token must not use up its user's limits. */
  readonly ofUser: readonly Limit[];
  /** Whether the session lives is all that is asked: nobody uses it. */
  readonly isLook?: true;
}

export interface AdmissionResult {
  readonly counted: LimitState[];
  readonly refused: LimitState | null;
  /** Null when it was not asked for, or not reached. */
  readonly session: CachedSession | null;
}

export interface AdmissionStore {
  /**
   * At most one round trip; none in a burst, whose points were leased and whose session was seen
   * alive a moment ago. Rejects when Redis does not answer.
   */
  query(query: AdmissionQuery): Promise<AdmissionResult>;
  /** The session as Redis has it now, which is no use of it. Rejects as `query` does. */
  look(claims: AccessClaims): Promise<CachedSession>;
  /** What guests may do now; nothing while Redis has not been filled. Rejects as `query` does. */
  guestScope(): Promise<string>;
  /** Sessions may have changed through this gateway: the next request of each asks again. */
  forgetSessions(): void;
  close(): void;
}

/** Redis answers in under 1 ms; only one that hangs takes this long. */
const ANSWER_MS = 600;
/** What was leased is back by then, even from a gateway with much to do, or lost with it. */
const BACK_AFTER_MS = 1_000;
/** A request that meets a limit while leased points may come back asks again so often, so long. */
const WAITS_MAX = 5;
const WAIT_MS = 210;

const BREAKER: CircuitBreaker.Options = {
  timeout: false, // would blame Redis for this process's own delays: see `within`
  volumeThreshold: 3, // three waits in sequence must fit into the window
  errorThresholdPercentage: 50,
  enableSnapshots: false, // each second they sort the latencies of the whole window, for nobody
  rollingPercentilesEnabled: false,
  rollingCountTimeout: 3_000,
  resetTimeout: 500,
  errorFilter: isStorageFull, // it answers: who asks is told why
};

// KEYS: the limits' (address's, then user's), then the session's five. ARGV: how many limits, how
// many of them are the address's, five for each limit (points, cost, window in ms, member or '',
// points to lease), then the session's five. Returns {0 or which limit is over, used, remaining ms
// and leased points of each limit that was counted, the session or false, ms after which leased
// points of the limit that is over are back}.
const ADMIT = `${SESSION_LUA}
local all, ofAddress = tonumber(ARGV[1]), tonumber(ARGV[2])
local counted, seen = {}, false
for i = 1, all + 1 do
  if i == ofAddress + 1 and KEYS[all + 1] then
    local a = 2 + 5 * all
    seen = session({KEYS[all + 1], KEYS[all + 2], KEYS[all + 3], KEYS[all + 4], KEYS[all + 5]},
      {ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]})
    if seen[1] == 'ended' then return {0, counted, seen, 0} end
  end
  if i > all then break end
  local key, a = KEYS[i], 5 * i - 2
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
  local leased = tonumber(ARGV[a + 4])
  if over or 2 * (used + leased) > points then leased = 0 end
  if leased > 0 then
    redis.call('incrby', key, leased)
    redis.call('set', key .. ':leased', '1', 'px', ${BACK_AFTER_MS})
  end
  counted[3 * i - 2] = used
  counted[3 * i - 1] = left
  counted[3 * i] = leased
  if over then return {i, counted, seen, redis.call('pttl', key .. ':leased')} end
end
return {0, counted, seen, 0}`;

// Only in the window that they are of: in the next one they would be a gift.
const GIVE_BACK = `
local left = redis.call('pttl', KEYS[1])
if left > 0 and math.abs(left - tonumber(ARGV[2])) < 5000 then redis.call('decrby', KEYS[1], ARGV[1]) end
return 0`;

type Row = [over: number, counted: number[], session: SessionRow | null, backAfterMs: number];
type Command<T> = (keys: number, ...args: (string | number)[]) => Promise<T>;
interface Commands {
  medvaultAdmit: Command<Row>;
  medvaultGiveBack: Command<number>;
}

/** Limits and session in one script: one round trip a request, and all gateways count exactly. */
export function createAdmissionStore(redis: Redis): AdmissionStore {
  const runId = watchRunId(redis);
  redis.defineCommand("medvaultAdmit", { lua: ADMIT });
  redis.defineCommand("medvaultGiveBack", { lua: GIVE_BACK });
  const commands = redis as unknown as Commands;
  const leases = new Leases();
  redis.on("close", () => leases.drop());
  const sessions = new RecentSessions();
  let givingBack: NodeJS.Timeout | undefined;

  const giveBack = () => {
    givingBack = undefined;
    for (const { key, points, windowLeftMs } of leases.takeUnused(performance.now())) {
      // What Redis does not hear of stays used for the rest of its window: never a point too many.
      commands.medvaultGiveBack(1, key, points, Math.round(windowLeftMs)).catch(() => undefined);
    }
    if (leases.holdsAny) givingBack = setTimeout(giveBack, LEASE_MS / 2).unref();
  };

  const ask = async ({ ofAddress, claims, ofUser, isLook }: AdmissionQuery): Promise<Row> => {
    const limits = [...ofAddress, ...ofUser];
    const keys = limits.map((limit) => limit.key);
    const args: (string | number)[] = [limits.length, ofAddress.length];
    const now = performance.now();
    for (const limit of limits) {
      const { points, cost, windowMs, member = "" } = limit;
      args.push(points, cost, windowMs, member, leases.wanted(limit, now));
    }
    if (claims) {
      const session = sessionQuery(claims, runId(), Date.now(), !isLook);
      keys.push(...session.keys);
      args.push(...session.args);
    }
    try {
      return await commands.medvaultAdmit(keys.length, ...keys, ...args);
    } finally {
      for (const limit of limits) leases.answered(limit);
    }
  };

  const read = (query: AdmissionQuery, [over, numbers, row]: Row): AdmissionResult => {
    const now = performance.now();
    const limits = [...query.ofAddress, ...query.ofUser];
    const counted: LimitState[] = [];
    for (const [i, limit] of limits.slice(0, numbers.length / 3).entries()) {
      const [used = 0, leftMs = 0, leased = 0] = numbers.slice(3 * i, 3 * i + 3);
      const state = { limit, used, resetMs: Math.max(0, leftMs) };
      counted.push(state);
      if (leased > 0) leases.hold(state, leased, now);
    }
    if (leases.holdsAny) givingBack ??= setTimeout(giveBack, LEASE_MS + 5).unref();
    const refused = over > 0 ? (counted[over - 1] ?? null) : null;
    return { counted, refused, session: row ? readSession(row) : null };
  };

  /** Asks, and again from the limit that is over on while leased points of it may come back. */
  const settle = async (query: AdmissionQuery, waits: number): Promise<AdmissionResult> => {
    const seen = sessions.begin();
    const row = await breaker.fire(query);
    const result = read(query, row);
    if (query.claims && result.session) sessions.note(query.claims, result.session, seen);
    const backAfterMs = row[3];
    if (!result.refused || backAfterMs <= 0 || waits === 0) return result;
    await sleep(Math.min(backAfterMs, WAIT_MS));
    const before = result.counted.slice(0, -1);
    const { ofAddress, claims, ofUser } = query;
    const rest = {
      ofAddress: ofAddress.slice(before.length),
      claims,
      ofUser: ofUser.slice(Math.max(0, before.length - ofAddress.length)),
    };
    const again = await settle(rest, waits - 1);
    return { ...again, counted: [...before, ...again.counted] };
  };

  // A Redis that hangs costs the first few requests a wait; the others are refused at once.
  const breaker = new CircuitBreaker((query: AdmissionQuery) => within(ANSWER_MS, ask(query)), BREAKER);
  return {
    async query(query) {
      const known = query.claims ? sessions.find(query.claims) : null;
      if (known || !query.claims) {
        const counted = leases.take([...query.ofAddress, ...query.ofUser], performance.now());
        if (counted) return { counted, refused: null, session: known };
      }
      return settle(query, WAITS_MAX);
    },
    async look(claims) {
      const [, , row] = await breaker.fire({ ofAddress: [], claims, ofUser: [], isLook: true });
      return row ? readSession(row) : { state: "unknown" };
    },
    async guestScope() {
      const [filled, scope] = await within(ANSWER_MS, redis.mget("sessions:filled", "scope:guest"));
      return filled !== null && filled === runId() ? (scope ?? "") : "";
    },
    forgetSessions: () => sessions.forget(),
    close() {
      clearTimeout(givingBack);
      breaker.shutdown();
    },
  };
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
