import type { ConnectionOptions } from "node:tls";
import type { Logger } from "@medvault/service-kit";
import { Redis } from "ioredis";

export interface RedisOptions {
  readonly logger?: Logger;
  readonly tls?: ConnectionOptions | undefined;
}

/** For a command, and to connect: Redis answers in under 1 ms. */
const ANSWER_MS = 1_000;
const LOOK_EVERY_MS = 1_000;

/**
 * A connection that fails fast and queues nothing: a request should know that Redis is away. One
 * that has gone dead is given up, though nobody asks, so that Redis is back 2 s after it is back.
 */
export function connectRedis(url: string, { logger, tls }: RedisOptions = {}): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_MS,
    socketTimeout: ANSWER_MS, // a retransmission to a dead one takes ever longer
    connectTimeout: ANSWER_MS,
    retryStrategy: (attempt) => Math.min(100 * attempt, 500),
    ...(url.startsWith("rediss:") && tls ? { tls } : {}),
  });
  // Readiness and failing commands show that it cannot connect, but not why.
  let reported = "";
  redis.on("error", (err: Error & { code?: string }) => {
    if (reported !== err.code) logger?.warn({ code: err.code }, "redis does not answer");
    reported = err.code ?? "";
  });
  redis.on("ready", () => {
    reported = "";
    logger?.info("redis connected");
  });
  const looking = setInterval(() => {
    if (redis.status === "ready") redis.ping().catch(() => undefined); // its socket ends by its timeout
  }, LOOK_EVERY_MS).unref();
  redis.on("end", () => clearInterval(looking));
  redis.on("close", () => logger?.warn("redis away"));
  return redis;
}
