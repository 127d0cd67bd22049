import { Unavailable } from "@medvault/contracts";
import type { Redis } from "ioredis";
import type { Limit } from "./lockout.ts";

/** A lock of Postgres is remembered for a minute: one lifted there is not kept for long here. */
const REMEMBER_MS = 60_000;

// Atomic: refuses a locked bucket and one in which as many attempts count as may, else counts one
// more. Answers for how many ms the bucket is locked, 0: counted, -1: as many are under way.
const RESERVE = `
local now, window, max = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local locked = tonumber(redis.call('get', KEYS[2]) or 0)
if locked > now then return locked - now end
redis.call('zremrangebyscore', KEYS[1], '-inf', now - window)
if redis.call('zcard', KEYS[1]) >= max then return -1 end
redis.call('zadd', KEYS[1], now, ARGV[4])
redis.call('pexpire', KEYS[1], window)
return 0`;

/**
 * The first of two counts of the same attempts: in Redis, where a flood ends without touching
 * Postgres. What it lets through is counted once more in Postgres, which decides: losing Redis'
 * memory unlocks nobody.
 */
export interface BucketCounter {
  /**
   * For how many ms the bucket is locked; 0: reserved; -1: failures and attempts under way are as
   * many as may fail. Throws Unavailable.
   */
  reserve(bucket: Buffer, stamp: number, limit: Limit, now: Date): Promise<number>;
  /** Takes a reservation back. What fails here only refuses more, for a window at most. */
  release(bucket: Buffer, stamp: number): Promise<void>;
  /** Remembers a lock of Postgres. */
  lock(bucket: Buffer, until: Date, now: Date): Promise<void>;
  /** Forgets buckets. Throws Unavailable: an unlocked bucket must take attempts. */
  clear(buckets: readonly Buffer[]): Promise<void>;
}

/** The counter in Redis. */
export function createBucketCounter(redis: Redis): BucketCounter {
  return {
    async reserve(bucket, stamp, limit, now) {
      const blockedMs = await orUnavailable(
        redis.eval(RESERVE, 2, ...keysOf(bucket), now.getTime(), limit.windowMs, limit.max, stamp),
      );
      return Number(blockedMs);
    },
    async release(bucket, stamp) {
      await redis.zrem(keysOf(bucket)[0], stamp).catch(() => {});
    },
    async lock(bucket, until, now) {
      const [attempts, lock] = keysOf(bucket);
      const lifeMs = Math.min(REMEMBER_MS, Math.max(1, until.getTime() - now.getTime()));
      await redis
        .multi()
        .set(lock, until.getTime(), "PX", lifeMs)
        .del(attempts)
        .exec()
        .catch(() => {});
    },
    async clear(buckets) {
      if (buckets.length > 0) await orUnavailable(redis.del(...buckets.flatMap(keysOf)));
    },
  };
}

function keysOf(bucket: Buffer): [attempts: string, lock: string] {
  const name = bucket.toString("hex");
  return [`lane:{${name}}:attempts`, `lane:{${name}}:lock`];
}

async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new Unavailable(undefined, 2, { cause });
  }
}
