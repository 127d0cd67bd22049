import { mkdir } from "node:fs/promises";
import { Id } from "@medvault/contracts";
import { createKeyring, type Keyring } from "@medvault/keys";
import { type Appender, connectBroker, createAppender, createRelay } from "@medvault/messaging";
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
import type pg from "pg";
import { Archive } from "./backup/archive.ts";
import { backupRoutes } from "./backup/backup.routes.ts";
import { BackupService } from "./backup/backup.service.ts";
import { hasRequestedRestore } from "./backup/backup.store.ts";
import { refusedEvent } from "./backup/backup.ts";
import { BackupWork } from "./backup/work.ts";
import type { Config } from "./config.ts";

const SERVICE = "backup";
const RECOVER_EVERY_MS = 30_000;
/** The largest table may take hours to copy; a service's own limit of 10 s is not meant for that. */
const COPY_TIMEOUT_MS = 6 * 60 * 60 * 1000;

/** Joins the parts. Throws when a migration, a key or a directory is missing: then there is no boot. */
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
  const copying = createPool({ ...connection, max: 4, statementTimeoutMs: COPY_TIMEOUT_MS });
  await assertServiceMigrated(pool, SERVICE);
  const keyring = await createKeyring({
    service: SERVICE,
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, SERVICE);
  await mkdir(config.MEDVAULT_BACKUPS_DIR, { recursive: true, mode: 0o700 });
  const archive = new Archive(config.MEDVAULT_BACKUPS_DIR);
  const work = new BackupWork({
    rows: pool,
    pool: copying,
    keyring,
    archive,
    filesDir: config.MEDVAULT_FILES_DIR,
    auditDir: config.MEDVAULT_AUDIT_DIR,
    logger,
  });
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
  const relay = createRelay({ pool, source: SERVICE, broker, logger });
  const appender = createAppender(pool, SERVICE);
  const wakeRestoreJob = () => process.send?.({ job: "restore" });
  // A wish that its supervisor did not hear, or did not live to fulfil, is told again.
  const recover = async () => {
    await work.recover();
    if (await hasRequestedRestore(pool)) wakeRestoreJob();
    // Not awaited: a boot does not wait for it.
    work.renewKeysets().catch((err: unknown) => logger.warn({ err }, "renewing keysets failed"));
  };
  await recover();
  const recovering = setInterval(() => {
    recover().catch((err: unknown) => logger.warn({ err }, "recovering failed"));
  }, RECOVER_EVERY_MS);
  relay.start();
  const app = createBackupApp({
    pool,
    keyring,
    archive,
    work,
    appender,
    assertions,
    logger,
    wakeRestoreJob,
    brokerState: () => (broker.state() === "connected" ? "ok" : "degraded"),
  });
  return {
    app,
    onStop: [
      async () => clearInterval(recovering),
      () => work.stop(),
      () => appender.close(),
      () => relay.stop(),
      () => broker.close(),
      () => copying.end(),
      () => pool.end(),
    ],
  };
}

export interface BackupAppParts {
  pool: pg.Pool;
  keyring: Keyring;
  archive: Archive;
  work: BackupWork;
  appender: Appender;
  assertions: AssertionVerifier;
  logger: Logger;
  wakeRestoreJob: () => void;
  brokerState: () => CheckState;
}

/** The HTTP app over parts that are there already. */
export function createBackupApp(parts: BackupAppParts): Express {
  const backups = new BackupService(parts);
  return createApp({
    service: SERVICE,
    logger: parts.logger,
    assertions: parts.assertions,
    routes: (router) => backupRoutes(router, backups),
    readiness: async () => ({
      postgres: await stateOf(parts.pool.query("select 1")),
      rabbitmq: parts.brokerState(),
      store: await stateOf(parts.archive.probe()),
    }),
    onRefusal: (req, actor, error) => {
      const id = Id.safeParse(req.path.split("/")[3]);
      return parts.appender.append(refusedEvent(actor, id.success ? id.data : null, error));
    },
  });
}
