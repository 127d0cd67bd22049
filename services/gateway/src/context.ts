import { connectBroker, createLossyProducer, type LossyProducer } from "@medvault/messaging";
import { connectRedis, type ProcessParts } from "@medvault/runtime";
import { importAssertionKey, type Readiness, readAssertionKey } from "@medvault/service-kit";
import { type Admission, createAdmission } from "./admission/admission.service.ts";
import { createAdmissionStore } from "./admission/admission.store.ts";
import { type GatewayConfig, idleTimeoutOf } from "./config.ts";
import { AccessTokens } from "./identity/access-token.ts";
import { Asserter } from "./identity/asserter.ts";
import { AuthClient } from "./identity/auth.client.ts";
import { createKeySet } from "./identity/jwks.client.ts";
import { createLimits } from "./limits/limit.ts";
import { Upstream } from "./proxy/upstream.client.ts";
import { SERVICES, type ServiceName } from "./routing/route-table.ts";
import { createReadiness, keepLooking } from "./system/readiness.ts";

/** What the requests share. */
export interface Context {
  readonly config: GatewayConfig;
  readonly admission: Admission;
  readonly asserter: Asserter;
  readonly upstreams: Readonly<Record<ServiceName, Upstream>>;
  /** How long a body may be idle, in or out. */
  readonly idleTimeoutMs: number;
  /** For the events of refusals. */
  readonly producer: LossyProducer;
  readonly readiness: Readiness;
  close(): Promise<void>;
}

/** Connects to the services, Redis and RabbitMQ. Throws ConfigError for a file without its key. */
export async function openContext(parts: ProcessParts<GatewayConfig>): Promise<Context> {
  const { config, logger, tls } = parts;
  const asserter = new Asserter(await importAssertionKey(await readAssertionKey(config.MEDVAULT_KEYS_FILE)));
  const upstreams = createUpstreams(parts);
  const redis = connectRedis(config.REDIS_URL, {
    ...{ logger, tls: tls.outgoing },
    ...{ sentinels: config.REDIS_SENTINELS, sentinelPassword: config.REDIS_SENTINEL_PASSWORD },
  });
  const broker = connectBroker({
    ...{ url: config.AMQP_URL, nodes: config.AMQP_NODES },
    ...{ logger, tls: tls.outgoing },
  });
  const producer = createLossyProducer({ broker, source: "gateway", instance: config.MEDVAULT_INSTANCE });
  const auth = new AuthClient(upstreams.auth, asserter);
  const store = createAdmissionStore(redis);
  const limits = createLimits({
    perMinute: config.MEDVAULT_RATE_LIMIT,
    loginPerMinute: config.MEDVAULT_LOGIN_RATE,
    forgotPerMinute: config.MEDVAULT_FORGOT_RATE,
    patientsPerHour: config.MEDVAULT_PATIENTS_PER_HOUR,
    trustedRanges: config.MEDVAULT_TRUSTED_RANGES,
  });
  const tokens = new AccessTokens(
    createKeySet(() => auth.jwks()),
    config.MEDVAULT_ISSUER,
    () => upstreams.auth.isSkewed,
  );
  const readiness = createReadiness({
    upstreams: Object.values(upstreams),
    redis: () => redis.ping(),
    rabbitmq: () => {
      const state = broker.state();
      if (state === "blocked") return "degraded"; // its disk is full; it takes more once it is not
      return state === "connected" ? "ok" : "down";
    },
    logger,
  });
  const stopLooking = keepLooking(readiness);
  return {
    config,
    admission: createAdmission({ store, limits, tokens, auth }),
    asserter,
    upstreams,
    idleTimeoutMs: idleTimeoutOf(config),
    producer,
    readiness,
    async close() {
      stopLooking();
      await producer.close();
      await broker.close();
      await Promise.all(Object.values(upstreams).map((upstream) => upstream.close()));
      store.close();
      redis.disconnect();
    },
  };
}

function createUpstreams({
  config,
  logger,
  tls,
}: ProcessParts<GatewayConfig>): Record<ServiceName, Upstream> {
  const urls: Record<ServiceName, string> = {
    auth: config.MEDVAULT_AUTH_URL,
    records: config.MEDVAULT_RECORDS_URL,
    files: config.MEDVAULT_FILES_URL,
    audit: config.MEDVAULT_AUDIT_URL,
    backup: config.MEDVAULT_BACKUP_URL,
  };
  const entries = SERVICES.map((name) => {
    const upstream = new Upstream(name, urls[name], tls);
    upstream.onState((state) => logger.warn({ upstream: name, state }, "circuit breaker"));
    return [name, upstream] as const;
  });
  return Object.fromEntries(entries) as Record<ServiceName, Upstream>;
}
