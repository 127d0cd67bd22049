import { Unavailable } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import type { Redis } from "ioredis";
import type { RolePermissions } from "../roles/role.store.ts";
import { csrfHash } from "../tokens/csrf-token.ts";
import { type Session, type SessionEffects, userAgentHash } from "./session.ts";
import { addressBinding, agentBinding, type BindingSettings } from "./session-binding.ts";

/** The hash `session:<sid>` as the gateway reads it; every value is text. */
export type CachedSession = Record<
  | "sub"
  | "role"
  | "pv"
  | "idleEnd"
  | "idleMs"
  | "absEnd"
  | "uaHash"
  | "ip"
  | "net"
  | "bindAgent"
  | "bindAddress"
  | "transport"
  | "csrf"
  | "mfa"
  | "enroll",
  string
>;

/** A replica answers in 1 ms or two; one that does not is cut off, or the leader is. */
const REPLICA_MS = 500;
/** How long the mark of an ended session stands: longer than any write that is on its way. */
const TOMBSTONE_SECONDS = 60;

// Writes a session unless it has ended; an idle end that the gateway has moved on is kept.
const PUT = `
if redis.call('exists', KEYS[2]) == 1 then return 0 end
local known = redis.call('hget', KEYS[1], 'idleEnd')
redis.call('hset', KEYS[1], unpack(ARGV, 2))
if known then
  local given = redis.call('hget', KEYS[1], 'idleEnd')
  if tonumber(known) > tonumber(given) then redis.call('hset', KEYS[1], 'idleEnd', known) end
end
redis.call('pexpireat', KEYS[1], ARGV[1])
return 1`;

// A role's version only rises: of two writers the later change stays.
const PUT_ROLE = `
local known = redis.call('get', KEYS[1])
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
redis.call('mset', KEYS[1], ARGV[1], KEYS[2], ARGV[2])
return 1`;

export interface SessionCache {
  /** Brings Redis to what a transaction committed. Throws Unavailable for an end that is lost. */
  apply(effects: SessionEffects): Promise<void>;
  put(session: Session, pv?: number | null): Promise<void>;
  /** Throws Unavailable. */
  remove(ids: readonly string[]): Promise<void>;
  /** Throws Unavailable: a permission that was taken would go on being granted. */
  putRole(role: RolePermissions): Promise<void>;
  /** Until when the gateway knows the session in use, or null when Redis does not know. */
  idleUntil(id: string): Promise<Date | null>;
  /**
   * Notes that the session was used by a client of this mark; true for the first time of each, so
   * that a client on the move is reported once. False while Redis is away.
   */
  isNewMark(session: Pick<Session, "id" | "absoluteExpiresAt">, mark: string): Promise<boolean>;
}

/** What of an operator's settings each session in Redis carries. */
export interface CacheOptions {
  idleMs: number;
  csrfKey: Buffer;
  binding: BindingSettings;
}

/**
 * The fast copy in Redis. `permissionVersion` answers a role's present version. With `isReplicated`
 * an end or a change of a role has reached a replica too before it counts as told: a server that is
 * cut off, and has a successor, says yes to nothing.
 */
export function createSessionCache(
  redis: Redis,
  options: CacheOptions & { isReplicated?: boolean; permissionVersion(role: string): Promise<number> },
): SessionCache {
  async function told(work: Promise<unknown>): Promise<void> {
    await orUnavailable(work);
    if (options.isReplicated && (await orUnavailable(redis.wait(1, REPLICA_MS))) < 1)
      throw new Unavailable(undefined, 2);
  }

  async function put(session: Session, pv: number | null = null): Promise<void> {
    const hash = cachedSession(session, pv ?? (await options.permissionVersion(session.role)), options);
    await redis.eval(
      PUT,
      2,
      `session:${session.id}`,
      `ended:${session.id}`,
      session.absoluteExpiresAt.getTime(),
      ...Object.entries(hash).flat(),
    );
  }

  async function remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const pipeline = redis.multi();
    for (const id of ids) {
      pipeline.set(`ended:${id}`, "1", "EX", TOMBSTONE_SECONDS);
      pipeline.del(`session:${id}`);
    }
    await told(pipeline.exec());
  }

  return {
    put,
    remove,
    async apply({ opened, ended }) {
      await remove(ended);
      // A session that Redis does not know is asked for at auth: losing one here loses nothing.
      await Promise.all(opened.map(({ session, pv }) => put(session, pv).catch(() => {})));
    },
    async putRole({ role, version, permissions }) {
      await told(redis.eval(PUT_ROLE, 2, `pv:${role}`, `scope:${role}`, version, permissions.join(" ")));
    },
    async idleUntil(id) {
      const value = await redis.hget(`session:${id}`, "idleEnd").catch(() => null);
      return value === null ? null : new Date(Number(value));
    },
    async isNewMark({ id, absoluteExpiresAt }, mark) {
      const key = `marks:${id}`;
      const answers = await redis
        .multi()
        .sadd(key, mark)
        .pexpireat(key, absoluteExpiresAt.getTime())
        .exec()
        .catch(() => null);
      return answers?.[0]?.[1] === 1;
    },
  };
}

/** A session as the gateway wants it. */
export function cachedSession(
  session: Session,
  permissionVersion: number,
  { idleMs, csrfKey, binding }: CacheOptions,
): CachedSession {
  return {
    sub: session.userId,
    role: session.role,
    pv: String(permissionVersion),
    idleEnd: String(session.idleExpiresAt.getTime()),
    idleMs: String(idleMs),
    absEnd: String(session.absoluteExpiresAt.getTime()),
    uaHash: userAgentHash(session.userAgent),
    ip: session.ip,
    net: networkOf(session.ip),
    bindAgent: agentBinding(session, binding),
    bindAddress: addressBinding(session.role, binding),
    transport: session.transport,
    csrf: session.transport === "cookie" ? csrfHash(csrfKey, session.id) : "",
    mfa: session.amr.includes("mfa") ? "1" : "0",
    enroll: session.kind === "enrollment" ? "1" : "0",
  };
}

async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new Unavailable(undefined, 2, { cause });
  }
}
