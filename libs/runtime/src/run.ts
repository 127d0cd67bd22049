import { KeysError } from "@medvault/keys";
import {
  type CommonConfig,
  ConfigError,
  createLogger,
  type Logger,
  loadAssertionVerifier,
  metricsOf,
  openTls,
  type ServeOptions,
  serve,
  type Tls,
  type TlsSettings,
} from "@medvault/service-kit";
import type { z } from "zod";
import { createServiceApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { startConsumers } from "./consumers.ts";
import { finalRotationJob } from "./final-rotation.jobs.ts";
import { createJobs } from "./jobs.service.ts";
import { openParts } from "./parts.ts";
import type { Service } from "./service.ts";

/** What a process has before anything of its own. */
export interface ProcessParts<C> {
  readonly config: C;
  readonly logger: Logger;
  readonly tls: Tls;
}

/** A process that serves HTTP: a service, or the gateway, which has no database. */
export interface ProcessDeclaration<C extends z.ZodObject> {
  readonly name: string;
  readonly config: C;
  open(
    parts: ProcessParts<z.infer<C>>,
  ): Promise<Pick<ServeOptions, "app" | "onStop"> & Partial<Pick<ServeOptions, "adminApp" | "onMalformed">>>;
}

/** Declares a process that is no service with data. */
export function defineProcess<C extends z.ZodObject>(
  declaration: ProcessDeclaration<C>,
): ProcessDeclaration<C> {
  return declaration;
}

type Settings = CommonConfig & TlsSettings;

/**
 * Runs a service or another process until a signal ends it: settings, TLS, parts, listeners, drain.
 * Bad settings are named, all at once, without a stack trace, and the exit code is 1.
 */
export async function run(declared: Service | ProcessDeclaration<z.ZodObject>): Promise<void> {
  try {
    const config = readConfig(declared.config) as Settings;
    await start(declared, config, createLogger({ service: declared.name, level: config.LOG_LEVEL }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${declared.name}: ${error.message}\n`);
    process.exitCode = 1;
  }
}

async function start(
  declared: Service | ProcessDeclaration<z.ZodObject>,
  config: Settings,
  logger: Logger,
): Promise<void> {
  const tls = await openTls(config, logger);
  try {
    const stopTelemetry = await openTelemetry(declared, config, logger, tls);
    const opened = await ("routes" in declared
      ? openService(declared, { config, logger, tls })
      : declared.open({ config, logger, tls }));
    const { HOST: host, PORT: port, ADMIN_PORT: adminPort, MEDVAULT_PROOF_KEY: proofKey } = config;
    const onStop = [...opened.onStop, stopTelemetry];
    await serve({ ...opened, onStop, host, port, adminPort, proofKey, logger, tls });
  } catch (err) {
    // What has been opened by now would keep the process alive.
    const isSaid = err instanceof KeysError || err instanceof ConfigError; // they say what to do
    logger.fatal({ err }, isSaid ? err.message : "the start failed");
    process.exit(1);
  }
}

/** Loads tracing only where it is on: it takes some 8 MB. */
async function openTelemetry(
  declared: Service | ProcessDeclaration<z.ZodObject>,
  config: Settings,
  logger: Logger,
  tls: Tls,
): Promise<() => Promise<void>> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: ratio } = config;
  if (!endpoint) return async () => {};
  const { startTelemetry } = await import("@medvault/service-kit/telemetry");
  const { name: service } = declared;
  const instance = config.MEDVAULT_INSTANCE;
  return startTelemetry({ service, instance, endpoint, ratio, isEdge: !("routes" in declared), tls, logger });
}

/** Joins a service's parts and starts what it declares: relay, consumers, jobs. */
async function openService(service: Service, { config, logger, tls }: ProcessParts<Settings>) {
  const { parts, relay, redis, close } = await openParts(service, config, logger, tls);
  const { pool, appender, broker } = parts;
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, service.name);
  const context: unknown = await service.open(parts);
  const app = createServiceApp(service, { pool, appender, logger, broker, redis }, context, assertions);
  const stopConsumers = startConsumers(service.name, service.consumers?.(context) ?? [], parts);
  const jobs = createJobs({
    jobs: [...(service.jobs?.(context) ?? []), ...finalRotationJob(service, config, parts)],
    db: pool,
    logger,
    metrics: metricsOf(app),
  });
  relay.start();
  jobs.start();
  return {
    app,
    onStop: [() => jobs.stop(), stopConsumers, close],
  };
}
