import { setTimeout as delay } from "node:timers/promises";
import { withDeadline } from "@medvault/postgres";
import { Counter, Gauge, type Registry } from "prom-client";
import type { Metric, Reading } from "./service.ts";

/** A look is kept for so long: however often metrics are asked for, it costs no more. */
const KEPT_MS = 2_000;
const LOOK_MS = 1_500;

/**
 * `look`, for metrics that share it: at most once in 2 s, given up after 1.5 s. Undefined where it
 * failed: a number that is not known is left out, and no old one is shown in its place.
 */
export function looked<T>(look: () => Promise<T>): () => Promise<T | undefined> {
  let last: Promise<T | undefined> = Promise.resolve(undefined);
  let at = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - at < KEPT_MS) return last;
    at = performance.now();
    last = Promise.race([
      withDeadline(LOOK_MS, async () => look()).catch(() => undefined),
      delay(LOOK_MS, undefined, { ref: false }),
    ]);
    return last;
  };
}

/** Shows declared metrics in a registry. */
export function showMetrics(registry: Registry, metrics: readonly Metric[]): void {
  for (const { name, help, kind, labelNames = [], read } of metrics) {
    const common = { name, help, labelNames: [...labelNames], registers: [registry] };
    if (kind === "counter") {
      new Counter({
        ...common,
        async collect() {
          const samples = samplesOf(await read());
          this.reset();
          for (const { labels, value } of samples) this.inc(labels, value);
        },
      });
    } else {
      new Gauge({
        ...common,
        async collect() {
          const reading = await read();
          this.reset();
          // Without labels `reset` leaves a 0 behind, which would be a lie.
          if (reading === undefined) this.remove({});
          for (const { labels, value } of samplesOf(reading)) this.set(labels, value);
        },
      });
    }
  }
}

function samplesOf(reading: Reading): Exclude<Reading, number | undefined> {
  return typeof reading === "number" ? [{ labels: {}, value: reading }] : (reading ?? []);
}
