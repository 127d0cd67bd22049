import {
  type AssertionVerifier,
  type CheckState,
  createApp,
  EVIDENCE_KINDS,
  type Readiness,
  stateOf,
} from "@medvault/service-kit";
import type { Express } from "express";
import { refusalEvent } from "./refusal.events.ts";
import type { Check, Parts, Service } from "./service.ts";

/** The HTTP app of a service over parts that are there already; nothing is started. */
export function createServiceApp<X>(
  service: Service,
  parts: Pick<Parts, "pool" | "appender" | "logger"> & {
    readonly broker: Pick<Parts["broker"], "state">;
    readonly redis: { readonly status: string } | null;
  },
  context: X,
  assertions: AssertionVerifier,
): Express {
  const { name, refusalNoun = "request", evidence = [], jsonLimitBytes } = service;
  return createApp({
    logger: parts.logger,
    assertions,
    routes: service.routes(context),
    readiness: readinessOf(service, parts, context),
    // The service that asked records the refusal.
    onRefusal: async (req, actor, error) => {
      if (req.path.startsWith("/internal/")) return;
      await parts.appender.append(refusalEvent(name, refusalNoun, req, actor, error));
    },
    evidence: new Set([...EVIDENCE_KINDS, ...evidence]),
    ...(jsonLimitBytes ? { jsonLimitBytes } : {}),
  });
}

function readinessOf<X>(
  service: Service,
  { pool, broker, redis }: Parameters<typeof createServiceApp>[1],
  context: X,
): Readiness {
  return async () => {
    const states = Object.entries(service.checks?.(context) ?? {}).map(
      async ([name, check]) => [name, await outcomeOf(check)] as const,
    );
    return {
      postgres: await stateOf(pool.query("select 1")),
      rabbitmq: broker.state() === "connected" ? "ok" : "degraded",
      ...(redis ? { redis: redis.status === "ready" ? ("ok" as const) : ("degraded" as const) } : {}),
      ...Object.fromEntries(await Promise.all(states)),
    };
  };
}

async function outcomeOf(check: Check): Promise<CheckState> {
  try {
    const found = await check();
    return found === "degraded" || found === "down" ? found : "ok";
  } catch {
    return "down";
  }
}
