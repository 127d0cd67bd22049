import { readFile } from "node:fs/promises";
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
import type { Express } from "express";
import { Redis } from "ioredis";
import { z } from "zod";
import { createAdmission } from "./admission/admission.service.ts";
import { createAdmissionStore } from "./admission/admission.store.ts";
import { type GatewayConfig, idleTimeoutOf } from "./config.ts";
import { edge } from "./edge.ts";
import { AccessTokens } from "./identity/access-token.ts";
import { Asserter } from "./identity/asserter.ts";
import { AuthClient } from "./identity/auth.client.ts";
import { createKeySet } from "./identity/jwks.client.ts";
import { inspector } from "./inspection/inspect.ts";
import { clientAddress } from "./limits/client-address.ts";
import { createLimits } from "./limits/limit.ts";
import { cors } from "./origins/cors.ts";
import { Upstream } from "./proxy/upstream.client.ts";
import { measureUpstreams } from "./proxy/upstream-metrics.ts";
import { createRefusalLog } from "./refusals/refusal-log.ts";
import { routeDocuments } from "./routing/route-docs.ts";
import { createRouteTable, SERVICES, type ServiceName } from "./routing/route-table.ts";
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
  /** For requests that are refused before they reach `app`. */
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
  const auth = new AuthClient(upstreams.auth, asserter);
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
      admission: createAdmission({
        store: admissionStore,
        limits: createLimits({
          perMinute: config.MEDVAULT_RATE_LIMIT,
          loginPerMinute: config.MEDVAULT_LOGIN_RATE,
          patientsPerHour: config.MEDVAULT_PATIENTS_PER_HOUR,
          trustedRanges: config.MEDVAULT_TRUSTED_RANGES,
        }),
        tokens: new AccessTokens(keySet, config.MEDVAULT_ISSUER),
        auth,
      }),
      asserter,
      upstreams,
      idleTimeoutMs: idleTimeoutOf(config),
    }),
  );
  mountSystem(app);
  const refusals = createRefusalLog(metricsOf(app), producer);
  endApp(app, logger, async (req, _actor, error) => refusals.note(req, error), NOTED_KINDS);
  measureUpstreams(metricsOf(app), Object.values(upstreams));
  return {
    app,
    adminApp: adminApp(app, readiness, logger),
    logger,
    tls,
    noteMalformed: refusals.noteMalformed,
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

/** Commands fail at once while Redis is away, and soon when it hangs (admission.store.ts). */
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
