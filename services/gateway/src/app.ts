import { readFile } from "node:fs/promises";
import { type AppError, newId } from "@medvault/contracts";
import { connectBroker, createLossyProducer } from "@medvault/messaging";
import {
  adminApp,
  bareApp,
  createLogger,
  endApp,
  importAssertionKey,
  type Logger,
  metricsOf,
  mountHealth,
  openTls,
  type Tls,
} from "@medvault/service-kit";
import type { Express, Request } from "express";
import { Redis } from "ioredis";
import { Counter, Gauge } from "prom-client";
import { z } from "zod";
import { Admission } from "./admission/admission.service.ts";
import { createAdmissionStore } from "./admission/admission.store.ts";
import type { GatewayConfig } from "./config.ts";
import { cors } from "./cors/cors.ts";
import { clientOf, edge } from "./edge.ts";
import { inspector } from "./hygiene/inspect.ts";
import { AccessTokens } from "./identity/access-token.ts";
import { Asserter } from "./identity/asserter.ts";
import { createAuthClient } from "./identity/auth-client.ts";
import { createKeySet } from "./identity/jwks.ts";
import { Sessions } from "./identity/session.service.ts";
import { clientAddress, plainAddress } from "./limits/client-address.ts";
import { TooManyPatients } from "./limits/limit.errors.ts";
import { createLimits } from "./limits/limits.ts";
import { Upstream } from "./proxy/upstream.ts";
import { routeDocuments } from "./routing/route-docs.ts";
import { createRouteTable, SERVICES, type ServiceName } from "./routing/route-table.ts";
import { RequestScreened } from "./screening/screening.errors.ts";
import { THREATS } from "./screening/threat.ts";
import { kindOf, securityEvent } from "./security-events/security-event.ts";
import { publicRoutes } from "./system/openapi.ts";
import { createReadiness } from "./system/readiness.ts";
import { mountSystem } from "./system/system.routes.ts";

/** Of any command but the one that admits requests, which has a tighter bound of its own. */
const REDIS_ANSWER_MS = 1_000;
const KeyFile = z.object({ signing: z.record(z.string(), z.unknown()) });

export interface Gateway {
  app: Express;
  adminApp: Express;
  logger: Logger;
  /** For the listeners; the calls to services and servers have it already. */
  tls: Tls;
  /** Told of requests that were refused before they reached `app`. */
  noteMalformed(address: string): void;
  stop(): Promise<void>;
}

/** Joins the parts of the gateway. */
export async function createGateway(
  config: GatewayConfig,
  logger = createLogger({ service: "gateway", level: config.LOG_LEVEL }),
): Promise<Gateway> {
  const { signing } = KeyFile.parse(JSON.parse(await readFile(config.MEDVAULT_KEYS_FILE, "utf8")));
  const tls = await openTls(config, logger);
  const asserter = new Asserter(await importAssertionKey(signing));
  const upstreams = createUpstreams(config, logger, tls);
  const redis = connectRedis(config.REDIS_URL, logger, tls);
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
  const producer = createLossyProducer({
    broker,
    source: "gateway",
    instance: config.MEDVAULT_INSTANCE,
  });
  const auth = createAuthClient(upstreams.auth, asserter);
  const keySet = createKeySet(() => auth.jwks());
  const admissionStore = createAdmissionStore(redis);
  const readiness = createReadiness({
    upstreams: Object.values(upstreams),
    redis: () => redis.ping(),
    rabbitmq: () => broker.state() === "connected",
  });

  const app = bareApp(logger);
  app.use(cors(config.MEDVAULT_CORS_ORIGINS));
  mountHealth(app, app, readiness);
  app.use(
    edge({
      routes: createRouteTable({ maxUploadBytes: config.MEDVAULT_MAX_UPLOAD_BYTES }),
      inspect: inspector(routeDocuments(publicRoutes)),
      addressOf: clientAddress(config.MEDVAULT_TRUSTED_PROXIES),
      admission: new Admission({
        store: admissionStore,
        limits: createLimits({
          perMinute: config.MEDVAULT_RATE_LIMIT,
          loginPerMinute: config.MEDVAULT_LOGIN_RATE,
          patientsPerHour: config.MEDVAULT_PATIENTS_PER_HOUR,
          trustedRanges: config.MEDVAULT_TRUSTED_RANGES,
        }),
        tokens: new AccessTokens(keySet, config.MEDVAULT_ISSUER),
        sessions: new Sessions(auth),
      }),
      asserter,
      upstreams,
      standstillMs: config.MEDVAULT_GATEWAY_STANDSTILL_MS,
    }),
  );
  mountSystem(app);
  const hits = screeningHits(app);
  const refusals = new Counter({
    name: "gateway_refusals_total",
    help: "Requests refused here, by the kind of their event.",
    labelNames: ["kind"],
    registers: [metricsOf(app)],
  });
  const noteRefusal = async (req: Request, _actor: unknown, error: AppError) => {
    const kind = kindOf(error);
    const actor = error instanceof TooManyPatients ? error.actor : null;
    if (error instanceof RequestScreened) hits.inc({ kind: error.threat });
    if (kind) {
      refusals.inc({ kind });
      producer.record(securityEvent(kind, clientOf(req), actor));
    }
  };
  endApp(app, logger, noteRefusal, NOTED_KINDS);
  showBreakers(app, upstreams);
  return {
    app,
    adminApp: adminApp(app, readiness, logger),
    logger,
    tls,
    noteMalformed(address) {
      const ip = plainAddress(address);
      const source = { ip, userAgent: "", requestId: newId(), traceparent: null };
      producer.record(securityEvent("request_malformed", source));
    },
    async stop() {
      await producer.close();
      await broker.close();
      await Promise.all(Object.values(upstreams).map((upstream) => upstream.close()));
      admissionStore.close();
      redis.disconnect();
      tls.close();
    },
  };
}

function createUpstreams(config: GatewayConfig, logger: Logger, tls: Tls): Record<ServiceName, Upstream> {
  const urls: Record<ServiceName, string> = {
    auth: config.MEDVAULT_AUTH_URL,
    records: config.MEDVAULT_RECORDS_URL,
    files: config.MEDVAULT_FILES_URL,
    audit: config.MEDVAULT_AUDIT_URL,
    backup: config.MEDVAULT_BACKUP_URL,
  };
  const upstreamOf = (name: ServiceName) => {
    const upstream = new Upstream(name, urls[name], tls);
    upstream.onState((state) => logger.warn({ upstream: name, state }, "circuit breaker"));
    return upstream;
  };
  return Object.fromEntries(SERVICES.map((name) => [name, upstreamOf(name)])) as Record<
    ServiceName,
    Upstream
  >;
}

/** Commands fail at once while Redis is away, and soon when it hangs (and then at once: admission.store.ts). */
function connectRedis(url: string, logger: Logger, tls: Tls): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: REDIS_ANSWER_MS,
    connectTimeout: 2_000,
    retryStrategy: (attempt) => Math.min(100 * attempt, 1_000),
    ...(url.startsWith("rediss:") ? { tls: tls.outgoing } : {}),
  });
  let said = "";
  redis.on("error", (err: Error & { code?: string }) => {
    if (said !== err.code) logger.warn({ code: err.code }, "redis does not answer");
    said = err.code ?? "";
  });
  redis.on("ready", () => {
    said = "";
    logger.info("redis connected");
  });
  redis.on("close", () => logger.warn("redis away"));
  return redis;
}

const NOTED_KINDS = new Set(["unauthenticated", "forbidden", "rate_limited", "invalid"]);

function screeningHits(app: Express): Counter<"kind"> {
  const hits = new Counter({
    name: "gateway_screening_hits_total",
    help: "Requests refused because they looked like an attack.",
    labelNames: ["kind"],
    registers: [metricsOf(app)],
  });
  for (const kind of THREATS) hits.inc({ kind }, 0); // a series that is not there raises no alert
  return hits;
}

function showBreakers(app: Express, upstreams: Record<ServiceName, Upstream>): void {
  const states = { closed: 0, half_open: 1, open: 2 } as const;
  const registers = [metricsOf(app)];
  const inFlight: Gauge<"upstream"> = new Gauge({
    name: "gateway_upstream_calls_active",
    help: "Calls to a service under way.",
    labelNames: ["upstream"],
    registers,
    collect() {
      for (const upstream of Object.values(upstreams))
        inFlight.set({ upstream: upstream.name }, upstream.inFlight);
    },
  });
  const retries: Counter<"upstream"> = new Counter({
    name: "gateway_upstream_repetitions_total",
    help: "Calls sent a second time, since the first found no service.",
    labelNames: ["upstream"],
    registers,
  });
  for (const upstream of Object.values(upstreams))
    upstream.onRepetition(() => retries.inc({ upstream: upstream.name }));
  const gauge: Gauge<"upstream"> = new Gauge({
    name: "gateway_breaker_state",
    help: "0 closed, 1 half-open, 2 open.",
    labelNames: ["upstream"],
    registers,
    collect() {
      for (const upstream of Object.values(upstreams))
        gauge.set({ upstream: upstream.name }, states[upstream.state]);
    },
  });
}
