import { createKeyring } from "@medvault/keys";
import { connectBroker, createAppender, createRelay } from "@medvault/messaging";
import { assertServiceMigrated, createPool } from "@medvault/postgres";
import { createApp, type Logger, loadAssertionVerifier } from "@medvault/service-kit";
import type { Express } from "express";
import type { Config } from "./config.ts";
import { createRecordsAccess } from "./file/access.ts";
import { BlobStore } from "./file/blob-store.ts";
import { fileRoutes } from "./file/file.routes.ts";
import { FileService } from "./file/file.service.ts";
import { refusedEvent } from "./file/refused.ts";
import { startSweeping } from "./file/sweep.ts";

const SERVICE = "files";

/** Joins the parts. Throws when a migration, a key or a directory is missing: then there is no boot. */
export async function composeApp(
  config: Config,
  logger: Logger,
): Promise<{ app: Express; onStop: (() => Promise<void>)[] }> {
  const pool = createPool({
    connectionString: config.DATABASE_URL,
    applicationName: SERVICE,
    schema: SERVICE,
  });
  await assertServiceMigrated(pool, SERVICE);
  const keyring = await createKeyring({
    service: SERVICE,
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, SERVICE);
  const blobs = await BlobStore.open(config.MEDVAULT_FILES_DIR);
  const broker = connectBroker({ url: config.AMQP_URL, logger });
  const relay = createRelay({ pool, source: SERVICE, broker, logger });
  const appender = createAppender(pool, SERVICE);
  const access = createRecordsAccess(config.MEDVAULT_RECORDS_URL);
  const maxFileBytes = config.MEDVAULT_MAX_UPLOAD_BYTES;
  const files = new FileService({ pool, keyring, blobs, access, appender, maxFileBytes });
  const sweeping = startSweeping(pool, blobs, logger);
  relay.start();

  const app = createApp({
    service: SERVICE,
    logger,
    assertions,
    routes: (router) => fileRoutes(router, files, maxFileBytes),
    readiness: async () => ({
      postgres: await stateOf(pool.query("select 1")),
      rabbitmq: broker.state() === "connected" ? "ok" : "degraded",
      store: await stateOf(blobs.probe()),
    }),
    onRefusal: (req, actor, error) => appender.append(refusedEvent(actor, req.method, req.path, error)),
  });
  return {
    app,
    onStop: [
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

async function stateOf(check: Promise<unknown>): Promise<"ok" | "down"> {
  return check.then(
    () => "ok",
    () => "down",
  );
}
