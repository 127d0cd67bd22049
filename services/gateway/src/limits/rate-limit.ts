import { RateLimited, Unavailable } from "@medvault/contracts";
import type { Response } from "express";
import type { Redis } from "ioredis";
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
} from "rate-limiter-flexible";
import { limitKey } from "./client-address.ts";

const WINDOW_S = 60;
/** While Redis is away: enough to read the documentation, too little to attack with. */
const LOCAL_POINTS = 30;
const FORGOT_POINTS = 3;

type LimitClass = "general" | "login" | "forgot";

export interface RateLimits {
  /**
   * Counts one request of `address`; sets RateLimit and RateLimit-Policy. Throws RateLimited when over, Unavailable
   * when Redis is away and this class is not one that may go on without.
   */
  consume(address: string, limit: LimitClass | null, mayDegrade: boolean, res: Response): Promise<void>;
}

/** Limits per client address and minute, counted in Redis, so that all gateways count together. */
export function createRateLimits(
  redis: Redis,
  options: { perMinute: number; loginPerMinute: number },
): RateLimits {
  const points: Record<LimitClass, number> = {
    general: options.perMinute,
    login: options.loginPerMinute,
    forgot: FORGOT_POINTS,
  };
  const limiterOf = (limit: LimitClass) =>
    new RateLimiterRedis({
      storeClient: redis,
      keyPrefix: `rate:${limit}`,
      points: points[limit],
      duration: WINDOW_S,
      rejectIfRedisNotReady: true,
      inMemoryBlockOnConsumed: points[limit] + 1, // who is over is refused here, without asking Redis again
    });
  const limiters: Record<LimitClass, RateLimiterAbstract> = {
    general: limiterOf("general"),
    login: limiterOf("login"),
    forgot: limiterOf("forgot"),
  };
  const local = new RateLimiterMemory({ keyPrefix: "local", points: LOCAL_POINTS, duration: WINDOW_S });

  async function one(key: string, limit: LimitClass, mayDegrade: boolean, res: Response): Promise<void> {
    try {
      show(res, limit, points[limit], await limiters[limit].consume(key));
    } catch (thrown) {
      if (thrown instanceof RateLimiterRes) throw over(res, limit, points[limit], thrown);
      if (!mayDegrade) throw new Unavailable(undefined, 2, { cause: thrown });
      await local.consume(key).then(
        (state) => show(res, limit, LOCAL_POINTS, state),
        (state: RateLimiterRes) => {
          throw over(res, limit, LOCAL_POINTS, state);
        },
      );
    }
  }

  return {
    async consume(address, limit, mayDegrade, res) {
      const key = limitKey(address);
      await one(key, "general", mayDegrade, res);
      if (limit) await one(key, limit, false, res); // never an unlimited login
    },
  };
}

/** The fields of draft-ietf-httpapi-ratelimit-headers, of the limit counted last (the narrower one). */
function show(res: Response, limit: LimitClass, points: number, state: RateLimiterRes): void {
  const seconds = Math.max(1, Math.ceil(state.msBeforeNext / 1000));
  res.setHeader("RateLimit-Policy", `"${limit}";q=${points};w=${WINDOW_S}`);
  res.setHeader("RateLimit", `"${limit}";r=${Math.max(0, state.remainingPoints)};t=${seconds}`);
}

function over(res: Response, limit: LimitClass, points: number, state: RateLimiterRes): RateLimited {
  show(res, limit, points, state);
  return new RateLimited(undefined, Math.max(1, Math.ceil(state.msBeforeNext / 1000)));
}
