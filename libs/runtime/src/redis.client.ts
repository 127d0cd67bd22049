import type { ConnectionOptions } from "node:tls";
import type { Logger, Place } from "@medvault/service-kit";
import { Redis, SentinelConnector } from "ioredis";

interface RedisOptions {
  readonly logger?: Logger;
  readonly tls?: ConnectionOptions | undefined;
  /** Who know which of several servers leads; the URL's host is the name that they give it. */
  readonly sentinels?: readonly Place[] | undefined;
  readonly sentinelPassword?: string | undefined;
}

/** For a command, and to connect: Redis answers in under 1 ms. */
const ANSWER_MS = 1_000;
const LOOK_EVERY_MS = 1_000;
const RETRY_MS = 500;

/**
 * A connection that fails fast and queues nothing: a request should know that Redis is away. One
 * that has gone dead is given up, though nobody asks, so that Redis is back 2 s after it is back.
 * With sentinels it is a connection to the server that leads, and to the next one once that leads.
 */
export function connectRedis(url: string, options: RedisOptions = {}): Redis {
  const { logger } = options;
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_MS,
    socketTimeout: ANSWER_MS, // a retransmission to a dead one takes ever longer
    connectTimeout: ANSWER_MS,
    retryStrategy: (attempt) => Math.min(100 * attempt, RETRY_MS),
    reconnectOnError: ({ message }) => /^(READONLY|NOREPLICAS)/.test(message), // another leads now
    ...redisServers(url, options),
  });
  // Readiness and failing commands show that it cannot connect, but not why.
  let reported = "";
  redis.on("error", (err: Error & { code?: string }) => {
    const code = err.code ?? err.name;
    if (reported !== code) logger?.warn({ code }, "redis does not answer");
    reported = code;
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

/** Which server to connect to, and how, as ioredis takes it beside the URL. */
function redisServers(url: string, options: RedisOptions) {
  const { logger, tls, sentinels, sentinelPassword } = options;
  const isSecure = url.startsWith("rediss:");
  const secure = isSecure ? { tls: tls ?? {} } : {};
  if (!sentinels) return secure;
  class Leader extends SentinelConnector {
    constructor(given: unknown) {
      super(given as ConstructorParameters<typeof SentinelConnector>[0]);
    }
    /**
     * A leader is taken only if it stops to write once its replicas are gone: one that is cut off
     * would go on granting sessions that have ended at its successor.
     */
    override check(info: { role?: string; min_slaves_good_slaves?: string }): boolean {
      if (!super.check(info)) return false;
      const isSafe = info.min_slaves_good_slaves !== undefined;
      if (!isSafe) logger?.error("redis is not used: set its min-replicas-to-write to 1 (docs/scaling.md)");
      return isSafe;
    }
  }
  return {
    ...secure,
    Connector: Leader,
    sentinels: sentinels.map(({ host, port }) => ({ host, port })),
    name: decodeURIComponent(new URL(url).hostname),
    enableTLSForSentinelMode: isSecure,
    ...(isSecure ? { sentinelTLS: tls ?? {} } : {}),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    updateSentinels: false, // those that were given, by the names in their certificates
    sentinelCommandTimeout: ANSWER_MS,
    sentinelRetryStrategy: () => RETRY_MS, // null would end it for good
  };
}
