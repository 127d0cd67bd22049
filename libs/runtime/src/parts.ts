import { applyPolicy, closeSealPool, openKeyring, type SealedTable } from "@medvault/keys";
import { connectBroker, createAppender, createRelay, type Relay } from "@medvault/messaging";
import { createPool } from "@medvault/postgres";
import type { CommonConfig, Logger, RedisConfig, Tls } from "@medvault/service-kit";
import type { Redis } from "ioredis";
import { untilDatabase } from "./database-wait.ts";
import { connectRedis } from "./redis.client.ts";
import type { Parts, Service } from "./service.ts";

type Config = CommonConfig & Partial<RedisConfig> & { MEDVAULT_POLICY_FILE?: string };

/** The parts of a service, how its relay is started, and how all of it ends. */
export interface OpenParts {
  readonly parts: Parts<CommonConfig>;
  readonly relay: Relay;
  /** Null where the settings name none. */
  readonly redis: Redis | null;
  /** Runs the service's own steps, then closes the parts; a step that fails stops none of them. */
  close(): Promise<void>;
}

/**
 * Opens the parts of a service, once its database answers. Throws when a migration, a key or a
 * setting is missing, or the keys are not those of its tables.
 */
export async function openParts(
  service: Service,
  config: Config,
  logger: Logger,
  tls: Tls,
): Promise<OpenParts> {
  const { name } = service;
  const pool = createPool({
    connectionString: config.DATABASE_URL,
    tls: tls.outgoing,
    applicationName: name,
    schema: name,
    ...service.pool?.(config),
  });
  await untilDatabase(pool, service, { config, logger, tls });
  const keyring = await openKeyring(pool, {
    service: name,
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  const tables = (service.tables ?? []) as readonly SealedTable<object>[];
  const { digest, warnings } = await applyPolicy({
    file: config.MEDVAULT_POLICY_FILE,
    service: name,
    tables,
  });
  for (const warning of warnings) logger.warn(warning);
  const { REDIS_URL, REDIS_SENTINELS: sentinels, REDIS_SENTINEL_PASSWORD: sentinelPassword } = config;
  const redis = REDIS_URL
    ? connectRedis(REDIS_URL, { logger, tls: tls.outgoing, sentinels, sentinelPassword })
    : null;
  const broker = connectBroker({
    ...{ url: config.AMQP_URL, nodes: config.AMQP_NODES },
    ...{ logger, tls: tls.outgoing },
  });
  const relay = createRelay({ pool, source: name, broker, logger });
  const appender = createAppender(pool, name);
  const steps: (() => Promise<unknown> | unknown)[] = [];
  const parts = {
    ...{ config, pool, keyring, digest, broker, appender, logger, tls },
    get redis(): Redis {
      if (redis === null) throw new Error(`the settings of ${name} have no REDIS_URL`);
      return redis;
    },
    now: () => new Date(),
    onStop: (step: () => Promise<unknown> | unknown) => void steps.unshift(step),
  };
  return {
    parts,
    relay,
    redis,
    close: () =>
      closeAll(logger, [
        ...steps,
        () => appender.close(),
        () => relay.stop(),
        () => broker.close(),
        () => redis?.disconnect(),
        () => closeSealPool(),
        () => pool.end(),
      ]),
  };
}

async function closeAll(logger: Logger, steps: readonly (() => Promise<unknown> | unknown)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (err) {
      logger.error({ err }, "a part did not stop cleanly");
    }
  }
}
