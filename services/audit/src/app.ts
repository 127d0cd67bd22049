import { auditEvent, errorEvent } from "@medvault/contracts";
import { createKeyring, type Keyring, signingKey, tableKey } from "@medvault/keys";
import { type Appender, type Broker, connectBroker, createAppender, createRelay } from "@medvault/messaging";
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
import { completenessRoutes } from "./completeness/completeness.routes.ts";
import type { Config } from "./config.ts";
import type { Context } from "./context.ts";
import { eventRoutes } from "./events/event.routes.ts";
import { exportRoutes } from "./exports/export.routes.ts";
import { createBodySeal } from "./log/body-seal.ts";
import { createLogConsumption } from "./log/log.consumers.ts";
import { createSigner } from "./log/signer.ts";
import { LogWriter, type WriterOptions } from "./log/writer.service.ts";
import { createOutsideDirectory } from "./outside/outside.store.ts";
import { proofRoutes } from "./proofs/proof.routes.ts";
import { verificationRoutes } from "./verification/verification.routes.ts";

const SERVICE = "audit";

/**
 * Joins the parts and starts them. Throws when a migration, a key or a setting is missing: then
 * there is no boot.
 */
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
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, SERVICE);
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
  const relay = createRelay({ pool, source: SERVICE, broker, logger });
  const appender = createAppender(pool, SERVICE);
  const { app, writer } = await joinAudit({
    pool,
    keyring,
    broker,
    appender,
    assertions,
    logger,
    directory: config.MEDVAULT_AUDIT_DIR,
    origin: config.MEDVAULT_AUDIT_ORIGIN,
    writer: {
      checkpointMs: config.MEDVAULT_AUDIT_CHECKPOINT_MS,
      leaseMs: config.MEDVAULT_AUDIT_LEASE_MS,
      maxStartLeaves: config.MEDVAULT_AUDIT_START_ENTRIES,
    },
  });
  writer.start();
  relay.start();
  return {
    app,
    // The relay first: what this service itself did is then in the queue, for the next writer.
    onStop: [
      () => appender.close(),
      () => relay.stop(),
      () => writer.stop(),
      () => broker.close(),
      () => pool.end(),
    ],
  };
}

export interface AuditParts {
  pool: pg.Pool;
  keyring: Keyring;
  broker: Broker;
  appender: Appender;
  assertions: AssertionVerifier;
  logger: Logger;
  directory: string;
  origin: string;
  writer?: Pick<WriterOptions, "checkpointMs" | "leaseMs" | "maxStartLeaves" | "retryMs">;
  /** How long a proof waits for its checkpoint; default 5,000. */
  proofWaitMs?: number;
}

/** The HTTP app and the writer over parts that are there already; nothing is started. */
export async function joinAudit(parts: AuditParts): Promise<{ app: Express; writer: LogWriter }> {
  const { pool, keyring, broker, appender, logger, origin } = parts;
  const signing = await signingKey(pool, keyring, "checkpoints");
  const context: Context = {
    pool,
    outside: createOutsideDirectory(parts.directory),
    seal: createBodySeal(await tableKey(pool, keyring, "log")),
    signer: createSigner(origin, signing.publicKey, signing.sign),
    logger,
    now: () => new Date(),
    appender,
    proofWaitMs: parts.proofWaitMs ?? 5_000,
    verification: { isRunning: false },
  };
  const consume = createLogConsumption({
    broker,
    pool,
    append: (tx, events) => writer.append(tx, events),
  });
  const onRefusal = (code: string) => appender.append(refusalEvent(code));
  const writer = new LogWriter(context, { consume, onRefusal, ...parts.writer });
  const app = createApp({
    service: SERVICE,
    logger,
    assertions: parts.assertions,
    routes: (router) => {
      proofRoutes(router, context);
      eventRoutes(router, context);
      completenessRoutes(router, context);
      verificationRoutes(router, context);
      exportRoutes(router, context);
    },
    readiness: async () => ({
      postgres: await stateOf(pool.query("select 1")),
      rabbitmq: broker.state() === "connected" ? "ok" : "degraded",
      ...writerChecks(writer),
    }),
    onRefusal: (req, actor, error) =>
      appender.append(
        errorEvent(actor, error, {
          noun: "medvault.audit.request",
          subject: "audit/log",
          action: req.path === "/v1/audit/verify" ? "audit:verify" : "audit:read",
        }),
      ),
  });
  return { app, writer };
}

/** The refusal's code stands in the name of a check, which is all that readiness has room for. */
function writerChecks(writer: LogWriter): Record<string, CheckState> {
  const { phase, refusal } = writer.state();
  if (refusal !== null) return { writer: "degraded", [`writer_${refusal.code}`]: "degraded" };
  return { writer: phase === "writing" || phase === "standby" ? "ok" : "degraded" };
}

function refusalEvent(code: string) {
  return auditEvent(null, {
    type: "medvault.audit.writer.refused.v1",
    subject: "audit/writer",
    action: "audit:append",
    outcome: "failure",
    reason: code,
  });
}
