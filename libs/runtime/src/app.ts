import { countParked } from "@medvault/messaging";
import { probeDatabase, withDeadline } from "@medvault/postgres";
import {
  type AssertionVerifier,
  createApp,
  EVIDENCE_KINDS,
  metricsOf,
  type Readiness,
  stateOf,
} from "@medvault/service-kit";
import type { Express } from "express";
import type { Redis } from "ioredis";
import { commonMetrics } from "./common-metrics.ts";
import { showMetrics } from "./metrics.ts";
import { refusalEvent } from "./refusal.events.ts";
import type { Check, Parts, Service } from "./service.ts";

/** The gateway waits half a second longer: its caller reads that the database is away. */
const ANSWER_MS = 2_000;
const CHECK_MS = 1_000;

/** The HTTP app of a service over parts that are there already; nothing is started. */
export function createServiceApp<X>(
  service: Service,
  parts: Pick<Parts, "pool" | "appender" | "logger"> & {
    readonly broker: Pick<Parts["broker"], "state" | "createChannel">;
    readonly redis: Pick<Redis, "ping"> | null;
  },
  context: X,
  assertions: AssertionVerifier,
): Express {
  const { name, refusalNoun = "request", evidence = [], jsonLimitBytes, isLossless } = service;
  const app = createApp({
    logger: parts.logger,
    assertions,
    routes: service.routes(context),
    people: service.people?.(context),
    delegations: service.delegations?.(context),
    readiness: readinessOf(service, parts, context),
    around: (doc, work) => (doc.slow ? work() : withDeadline(ANSWER_MS, work)),
    // The service that asked records the refusal.
    onRefusal: async (req, actor, error) => {
      if (req.path.startsWith("/internal/")) return;
      await parts.appender.append(refusalEvent(name, refusalNoun, req, actor, error));
    },
    evidence: new Set([...EVIDENCE_KINDS, ...evidence]),
    ...(jsonLimitBytes ? { jsonLimitBytes } : {}),
    ...(isLossless ? { isLossless } : {}),
  });
  const queues = (service.consumers?.(context) ?? []).map(({ queue }) => queue);
  showMetrics(metricsOf(app), [
    ...commonMetrics({ name, pool: parts.pool, broker: parts.broker, queues }),
    ...(service.metrics?.(context) ?? []),
  ]);
  return app;
}

function readinessOf<X>(
  service: Service,
  { pool, broker, redis }: Parameters<typeof createServiceApp>[1],
  context: X,
): Readiness {
  const all: Readonly<Record<string, Check>> = {
    postgres: () => probeDatabase(pool),
    rabbitmq: () => (broker.state() === "connected" ? "ok" : "degraded"),
    // Someone has to look: what a message said, an audit event say, is missing until then.
    ...(service.consumers && {
      parked_messages: async () => ((await countParked(pool)) > 0 ? "degraded" : "ok"),
    }),
    ...(redis && { redis: () => redis.ping().catch(() => "degraded") }),
  };
  return async () => {
    const checks = Object.entries({ ...all, ...service.checks?.(context) });
    const states = checks.map(
      // Each gives its connection back by its end, and names itself when it hangs.
      async ([name, check]) => [name, await stateOf(withDeadline(CHECK_MS, async () => check()))] as const,
    );
    return Object.fromEntries(await Promise.all(states));
  };
}
