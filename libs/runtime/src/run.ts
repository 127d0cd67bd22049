import {
  type CommonConfig,
  type Contents,
  createLogger,
  EXIT,
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
import { contentsOf, readConfig } from "./config.ts";
import { startConsumers } from "./consumers.ts";
import { finalRotationJob } from "./final-rotation.jobs.ts";
import { createJobs } from "./jobs.service.ts";
import { openParts } from "./parts.ts";
import { refuse } from "./refuse.ts";
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
  /** Looks into what its settings name, before anything is opened. */
  readonly contents?: Contents;
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
 * Bad settings are named, all at once, before anything is opened. How it ends:
 * docs/configuration.md, "Exit codes".
 */
export async function run(declared: Service | ProcessDeclaration<z.ZodObject>): Promise<void> {
  let logger: Logger | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    logger?.info({ signal }, "stopped while starting");
    process.exit(EXIT.done);
  };
  // Without a handler, the first process of a container would ignore it.
  for (const signal of SIGNALS) process.once(signal, onSignal);
  try {
    const contents = "routes" in declared ? contentsOf(declared) : (declared.contents ?? {});
    const { settings, unknown } = await readConfig(declared.config, contents);
    const config = settings as Settings;
    logger = createLogger({ service: declared.name, level: config.LOG_LEVEL });
    for (const [name, reason] of unknown) logger.warn({ name, reason }, "an unknown setting");
    await start(declared, config, logger);
    for (const signal of SIGNALS) process.off(signal, onSignal); // the drain has its own by now
  } catch (error) {
    const code = refuse(declared.name, error, logger, 1);
    // What has been opened by now would keep the process alive.
    process.exit(code);
  }
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

async function start(
  declared: Service | ProcessDeclaration<z.ZodObject>,
  config: Settings,
  logger: Logger,
): Promise<void> {
  const tls = await openTls(config, logger);
  const stopTelemetry = await openTelemetry(declared, config, logger, tls);
  const opened = await ("routes" in declared
    ? openService(declared, { config, logger, tls })
    : declared.open({ config, logger, tls }));
  const { HOST: host, PORT: port, ADMIN_PORT: adminPort, MEDVAULT_PROOF_KEY: proofKey } = config;
  const onStop = [...opened.onStop, stopTelemetry];
  await serve({ ...opened, onStop, host, port, adminPort, proofKey, logger, tls });
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
