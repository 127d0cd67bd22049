import { applyPolicy, countInBackups, createKeyring, startFinalRotation } from "@medvault/keys";
import { connectBroker, createAppender, createRelay, keyEvent } from "@medvault/messaging";
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
import type { Config } from "./config.ts";
import { createRecordsAccess } from "./file/access.ts";
import { BlobStore } from "./file/blob-store.ts";
import { ContentDamaged } from "./file/file.errors.ts";
import { fileRoutes } from "./file/file.routes.ts";
import { FileService, type FileServiceDeps } from "./file/file.service.ts";
import { files } from "./file/file.store.ts";
import { refusedEvent } from "./file/refused.ts";
import { startSweeping } from "./file/sweep.ts";

const SERVICE = "files";

/** Joins the parts. Throws when a migration, a key or a directory is missing: then there is no boot. */
export async function composeApp(
  config: Config,
  logger: Logger,
  tls: Tls,
): Promise<{ app: Express; onStop: (() => Promise<void>)[] }> {
  const pool = createPool({
    connectionString: config.DATABASE_URL,
    tls: tls.outgoing,
    applicationName: SERVICE,
    schema: SERVICE,
  });
  await assertServiceMigrated(pool, SERVICE);
  const keyring = await createKeyring({
    service: SERVICE,
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  await applyPolicy({ file: config.MEDVAULT_POLICY_FILE, service: SERVICE, tables: [files] });
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, SERVICE);
  const blobs = await BlobStore.open(config.MEDVAULT_FILES_DIR);
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
  const relay = createRelay({ pool, source: SERVICE, broker, logger });
  const appender = createAppender(pool, SERVICE);
  const access = createRecordsAccess(config.MEDVAULT_RECORDS_URL, tls);
  const sweeping = startSweeping(pool, blobs, logger);
  relay.start();
  const rotation = startFinalRotation({
    pool,
    keyring,
    keysFile: config.MEDVAULT_KEYS_FILE ?? null,
    afterHours: config.MEDVAULT_FINAL_ROTATION_AFTER_HOURS,
    audit: (verb, patientIds) => keyEvent(SERVICE, verb, "schedule", patientIds),
    countOutside: (db, version) => countInBackups(db, SERVICE, version),
    logger,
  });
  const app = createFilesApp({
    pool,
    keyring,
    blobs,
    access,
    appender,
    maxFileBytes: config.MEDVAULT_MAX_UPLOAD_BYTES,
    assertions,
    logger,
    brokerState: () => (broker.state() === "connected" ? "ok" : "degraded"),
  });
  return {
    app,
    onStop: [
      () => rotation.stop(),
      async () => sweeping.stop(),
      () => appender.close(),
      () => relay.stop(),
      () => broker.close(),
      () => access.close(),
      () => blobs.close(),
      () => pool.end(),
    ],
  };
}

export interface FilesAppParts extends FileServiceDeps {
  assertions: AssertionVerifier;
  logger: Logger;
  brokerState: () => CheckState;
}

/** The HTTP app over parts that are there already. */
export function createFilesApp(parts: FilesAppParts): Express {
  const files = new FileService(parts);
  return createApp({
    service: SERVICE,
    logger: parts.logger,
    assertions: parts.assertions,
    routes: (router) => fileRoutes(router, files, parts.maxFileBytes),
    readiness: async () => ({
      postgres: await stateOf(parts.pool.query("select 1")),
      rabbitmq: parts.brokerState(),
      store: await stateOf(parts.blobs.probe()),
    }),
    onRefusal: async (req, actor, error) => {
      if (error instanceof ContentDamaged) return; // noted where it was met, with file and patient
      await parts.appender.append(refusedEvent(actor, req.method, req.path, error));
    },
  });
}
