import { mkdir } from "node:fs/promises";
import { Id } from "@medvault/contracts";
import { createKeyring } from "@medvault/keys";
import { connectBroker, createAppender, createRelay } from "@medvault/messaging";
import { assertServiceMigrated, createPool } from "@medvault/postgres";
import {
  type AssertionVerifier,
  type CheckState,
  createApp,
  type Logger,
  loadAssertionVerifier,
  stateOf,
  type Tls,
} from "@medvault/service-kit";
import type { Express } from "express";
import { probeArchive } from "./archive/archive.store.ts";
import { refusedEvent } from "./backups/backup.events.ts";
import { recoverBackups } from "./backups/backup.jobs.ts";
import { backupRoutes } from "./backups/backup.routes.ts";
import type { Config } from "./config.ts";
import type { Context } from "./context.ts";
import { renewKeysets } from "./keysets/keyset.service.ts";
import { recoverRestores } from "./restores/restore.jobs.ts";
import { WorkQueue } from "./work/queue.ts";

const SERVICE = "backup";
const RECOVER_EVERY_MS = 30_000;
/**
 * The largest table may take hours to copy; a service's own limit of 10 s is not meant for that.
 */
const COPY_TIMEOUT_MS = 6 * 60 * 60 * 1000;

/**
 * Joins the parts. Throws when a migration, a key or a directory is missing: then there is no boot.
 */
export async function composeApp(
  config: Config,
  logger: Logger,
  tls: Tls,
): Promise<{ app: Express; onStop: (() => Promise<void>)[] }> {
  const connection = {
    connectionString: config.DATABASE_URL,
    tls: tls.outgoing,
    applicationName: SERVICE,
    schema: SERVICE,
  };
  const pool = createPool(connection);
  const copyPool = createPool({ ...connection, max: 4, statementTimeoutMs: COPY_TIMEOUT_MS });
  await assertServiceMigrated(pool, SERVICE);
  const keyring = await createKeyring({
    service: SERVICE,
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, SERVICE);
  await mkdir(config.MEDVAULT_BACKUPS_DIR, { recursive: true, mode: 0o700 });
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
  const relay = createRelay({ pool, source: SERVICE, broker, logger });
  const appender = createAppender(pool, SERVICE);
  const queue = new WorkQueue(logger);
  const context: Context = {
    ...{ pool, copyPool, keyring, logger, appender, queue },
    archiveDir: config.MEDVAULT_BACKUPS_DIR,
    filesDir: config.MEDVAULT_FILES_DIR,
    auditDir: config.MEDVAULT_AUDIT_DIR,
    wakeRestoreJob: () => process.send?.({ job: "restore" }),
  };
  const recover = async () => {
    await recoverBackups(context);
    await recoverRestores(context);
    await queue.runIfIdle(async () => void (await renewKeysets(context, { signal: queue.signal })));
  };
  const recovering = setInterval(() => {
    recover().catch((err: unknown) => logger.warn({ err }, "recovering failed"));
  }, RECOVER_EVERY_MS);
  recover().catch((err: unknown) => logger.warn({ err }, "recovering failed"));
  relay.start();
  const brokerState = () => (broker.state() === "connected" ? "ok" : "degraded");
  const app = createBackupApp(context, { assertions, logger, brokerState });
  return {
    app,
    onStop: [
      async () => clearInterval(recovering),
      () => queue.stop(),
      () => appender.close(),
      () => relay.stop(),
      () => broker.close(),
      () => copyPool.end(),
      () => pool.end(),
    ],
  };
}

export interface BackupAppParts {
  assertions: AssertionVerifier;
  logger: Logger;
  brokerState: () => CheckState;
}

/** The HTTP app over parts that are there already. */
export function createBackupApp(context: Context, parts: BackupAppParts): Express {
  return createApp({
    service: SERVICE,
    logger: parts.logger,
    assertions: parts.assertions,
    routes: (router) => backupRoutes(router, context),
    readiness: async () => ({
      postgres: await stateOf(context.pool.query("select 1")),
      rabbitmq: parts.brokerState(),
      store: await stateOf(probeArchive(context.archiveDir)),
    }),
    onRefusal: (req, actor, error) => {
      const id = Id.safeParse(req.path.split("/")[3]);
      return context.appender.append(refusedEvent(actor, id.success ? id.data : null, error));
    },
  });
}
