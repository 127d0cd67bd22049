import type { CheckState, Readiness } from "@medvault/service-kit";
import { z } from "zod";
import type { Upstream } from "../proxy/upstream.client.ts";

const TIMEOUT_MS = 1_500;
/** Anyone may ask, and five services are asked in turn: at most twice a second. */
const KEEP_MS = 500;

const Ready = z.object({ status: z.enum(["ok", "degraded"]) });

/** The state of each part behind the gateway: a service that is unready or silent is `down`. */
export function createReadiness(parts: {
  upstreams: readonly Upstream[];
  redis: () => Promise<unknown>;
  rabbitmq: () => boolean;
}): Readiness {
  let kept: { checks: Record<string, CheckState>; at: number } | null = null;
  return async () => {
    if (kept && Date.now() - kept.at < KEEP_MS) return kept.checks;
    const services = parts.upstreams.map(
      async (upstream) => [upstream.name, await serviceState(upstream)] as const,
    );
    const redis = parts.redis().then(
      () => ["redis", "ok"] as const,
      () => ["redis", "down"] as const,
    );
    const rabbitmq = ["rabbitmq", parts.rabbitmq() ? "ok" : "down"] as const;
    const checks: Record<string, CheckState> = Object.fromEntries([
      ...(await Promise.all([...services, redis])),
      rabbitmq,
    ]);
    kept = { checks, at: Date.now() };
    return checks;
  };
}

async function serviceState(upstream: Upstream): Promise<CheckState> {
  try {
    const { status, body } = await upstream.getJson("/readyz", {}, TIMEOUT_MS);
    const ready = Ready.safeParse(body);
    if (status !== 200 || !ready.success) return "down";
    return upstream.state === "closed" ? ready.data.status : "degraded";
  } catch {
    return "down";
  }
}
