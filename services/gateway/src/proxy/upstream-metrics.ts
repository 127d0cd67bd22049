import { Counter, Gauge, type Registry } from "prom-client";
import type { Upstream } from "./upstream.client.ts";

const STATES = { closed: 0, half_open: 1, open: 2 } as const;

/** Metrics of the services behind the gateway: running calls, retries, and breakers. */
export function measureUpstreams(registry: Registry, upstreams: readonly Upstream[]): void {
  const registers = [registry];
  const labelNames = ["upstream"] as const;
  const gauge = (name: string, help: string, read: (upstream: Upstream) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        for (const upstream of upstreams) this.set({ upstream: upstream.name }, read(upstream));
      },
    });
  gauge("gateway_upstream_calls_active", "Running calls to a service.", ({ inFlight }) => inFlight);
  gauge("gateway_breaker_state", "0 closed, 1 half-open, 2 open.", ({ state }) => STATES[state]);
  gauge(
    "gateway_clock_skew_seconds",
    "By how much a service's clock is ahead.",
    ({ skewMs }) => skewMs / 1_000,
  );
  const retries = new Counter({
    name: "gateway_upstream_repetitions_total",
    help: "Calls sent a second time, since the first found no service.",
    labelNames,
    registers,
  });
  for (const upstream of upstreams) {
    upstream.onRetry(() => retries.inc({ upstream: upstream.name }));
  }
}
