import type { ConnectionOptions } from "node:tls";
import type { Logger } from "@medvault/service-kit";
import { Redis } from "ioredis";

export interface RedisOptions {
  readonly logger?: Logger;
  readonly tls?: ConnectionOptions | undefined;
  /** How long a command may take; default 2,000. */
  readonly answerMs?: number;
}

/** A connection that fails fast and queues nothing: a request should know that Redis is away. */
export function connectRedis(url: string, { logger, tls, answerMs = 2_000 }: RedisOptions = {}): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: answerMs,
    connectTimeout: 2_000,
    retryStrategy: (attempt) => Math.min(100 * attempt, 1_000),
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
  redis.on("close", () => logger?.warn("redis away"));
  return redis;
}
