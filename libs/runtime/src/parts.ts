import { applyPolicy, closeSealPool, openKeyring, type SealedTable } from "@medvault/keys";
import { connectBroker, createAppender, createRelay, type Relay } from "@medvault/messaging";
import { assertServiceMigrated, createPool, limitsMissing } from "@medvault/postgres";
import { type CommonConfig, ConfigError, type Logger, type Tls } from "@medvault/service-kit";
import type { Redis } from "ioredis";
import type pg from "pg";
import { connectRedis } from "./redis.client.ts";
import type { Parts, Service } from "./service.ts";

type Config = CommonConfig & { REDIS_URL?: string; MEDVAULT_POLICY_FILE?: string };

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
 * Opens the parts of a service. Throws when a migration, a key or a setting is missing, or the keys
 * are not those of its tables.
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
  await assertServiceMigrated(pool, name);
  await requireLimits(pool);
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
  const redis = config.REDIS_URL ? connectRedis(config.REDIS_URL, { logger, tls: tls.outgoing }) : null;
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
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

/** A pooler may drop what a connection asks for; then the role's own limits count. */
async function requireLimits(pool: pg.Pool): Promise<void> {
  const missing = await limitsMissing(pool);
  if (missing.length === 0) return;
  const fault = `Postgres applies no ${missing.join(", ")}, as behind a pooler: give them to the role by \`npm run migrate\` with MEDVAULT_SUPERUSER_DATABASE_URL (docs/scaling.md)`;
  throw new ConfigError(new Map([["DATABASE_URL", fault]]));
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
