import {
  applyPolicy,
  closeSealPool,
  countInBackups,
  createKeyring,
  startFinalRotation,
} from "@medvault/keys";
import { connectBroker, createAppender, createRelay, keyEvent } from "@medvault/messaging";
import { assertServiceMigrated, createPool } from "@medvault/postgres";
import {
  type AssertionVerifier,
  actorOf,
  type CheckState,
  createApp,
  type Logger,
  loadAssertionVerifier,
  stateOf,
  type Tls,
} from "@medvault/service-kit";
import type { Express, Router } from "express";
import { accessRoutes } from "./access/access.routes.ts";
import { failureRecorder, refusalRecorder } from "./access/refusals.ts";
import { fhirRoutes, MAX_BUNDLE_BYTES } from "./bundles/fhir.routes.ts";
import { careTeamRoutes } from "./care-team/care-team.routes.ts";
import { claimRoutes } from "./claims/claim.routes.ts";
import type { Config } from "./config.ts";
import { type Context, openIndexes } from "./context.ts";
import { medicalRecordRoutes } from "./medical-records/record.routes.ts";
import { patientRoutes } from "./patients/patient.routes.ts";
import { prescriptionRoutes } from "./prescriptions/prescription.routes.ts";
import { SOURCE } from "./resources/resource.events.ts";
import { indexedTables, sealedTables } from "./tables.ts";

const MAX_JSON_BYTES = 1024 * 1024;

/** Joins the parts. Throws when a migration, a key or a setting is missing: then there is no boot. */
export async function composeApp(
  config: Config,
  logger: Logger,
  tls: Tls,
): Promise<{ app: Express; onStop: (() => Promise<void>)[] }> {
  const pool = createPool({
    connectionString: config.DATABASE_URL,
    tls: tls.outgoing,
    applicationName: SOURCE,
    schema: SOURCE,
    max: config.MEDVAULT_RECORDS_CONNECTIONS,
  });
  await assertServiceMigrated(pool, SOURCE);
  const keyring = await createKeyring({
    service: SOURCE,
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  const { digest } = await applyPolicy({
    file: config.MEDVAULT_POLICY_FILE,
    service: SOURCE,
    tables: sealedTables,
  });
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, SOURCE);
  const indexes = await openIndexes(pool, keyring);
  for (const table of indexedTables) {
    sayIncomplete(logger, table.declaration.table, indexes.of(table).incomplete);
  }
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
  const relay = createRelay({ pool, source: SOURCE, broker, logger });
  const appender = createAppender(pool, SOURCE);
  relay.start();
  const rotation = startFinalRotation({
    pool,
    keyring,
    keysFile: config.MEDVAULT_KEYS_FILE ?? null,
    afterHours: config.MEDVAULT_FINAL_ROTATION_AFTER_HOURS,
    audit: (verb, patientIds) => keyEvent(SOURCE, verb, "schedule", patientIds),
    countOutside: (db, version) => countInBackups(db, SOURCE, version),
    logger,
  });
  const app = createRecordsApp({
    context: { pool, keyring, appender, indexes, digest },
    assertions,
    logger,
    brokerState: () => (broker.state() === "connected" ? "ok" : "degraded"),
  });
  return {
    app,
    onStop: [
      () => rotation.stop(),
      () => appender.close(),
      () => relay.stop(),
      () => broker.close(),
      () => closeSealPool(),
      () => pool.end(),
    ],
  };
}

function sayIncomplete(logger: Logger, table: string, fields: readonly string[]): void {
  const says =
    "an index is not complete: a search by it opens every row in reach until `keys reindex` is done";
  for (const index of fields) logger.warn({ table, index }, says);
}

export interface RecordsAppParts {
  context: Context;
  assertions: AssertionVerifier;
  logger: Logger;
  brokerState: () => CheckState;
}

/** The HTTP app over parts that are there already. */
export function createRecordsApp({ context, assertions, logger, brokerState }: RecordsAppParts): Express {
  return createApp({
    service: SOURCE,
    logger,
    assertions,
    routes: (router) => mountRoutes(router, context),
    readiness: async () => ({
      postgres: await stateOf(context.pool.query("select 1")),
      rabbitmq: brokerState(),
    }),
    onRefusal: refusalRecorder(context),
    jsonLimitBytes: (req) => (req.path === "/v1/fhir" ? MAX_BUNDLE_BYTES : MAX_JSON_BYTES),
  });
}

function mountRoutes(router: Router, context: Context): void {
  accessRoutes(router, context);
  patientRoutes(router, context);
  careTeamRoutes(router, context);
  medicalRecordRoutes(router, context);
  prescriptionRoutes(router, context);
  claimRoutes(router, context);
  fhirRoutes(router, context);
  router.use(failureRecorder(context, actorOf));
}
