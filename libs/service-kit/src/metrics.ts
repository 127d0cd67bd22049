import type { Express, Request, Response } from "express";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Readiness, shared } from "./health.ts";
import { droppedLines } from "./line-writer.ts";
import type { Logger } from "./logger.ts";
import { perApp } from "./per-app.ts";
import { requestIdOf, routeOf, traceIdOf } from "./request.ts";
import type { Tls } from "./tls.ts";
import { VERSION } from "./version.ts";

const SLOW_MS = 1_000;

/** The metrics of an app, for a service to register its own on. Shown on the admin port only. */
export const metricsOf = perApp(() => new Registry());

/** Counts and times each request by route pattern (never by URL), and logs those over a second. */
export function observeRequests(app: Express, logger: Logger): (req: Request, res: Response) => void {
  const registry = metricsOf(app);
  const durations = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time from the request's headers to the end of its answer.",
    labelNames: ["method", "route", "status"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  let active = 0;
  new Gauge({
    name: "http_requests_active",
    help: "Requests under way.",
    registers: [registry],
    collect() {
      this.set(active);
    },
  });
  new Counter({
    name: "log_lines_dropped_total",
    help: "Log lines that could not be written: a full disk, or a reader that is gone.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(droppedLines());
    },
  });
  // Looking up a label set costs as much as all else here; methods, patterns and statuses are few.
  const series = new Map<string, Histogram.Internal<string>>();
  const seriesOf = (method: string, route: string, status: number) => {
    const key = `${method} ${status} ${route}`;
    let found = series.get(key);
    if (!found) {
      found = durations.labels(method, route, String(status));
      series.set(key, found);
    }
    return found;
  };
  return (req, res) => {
    const startedAt = performance.now();
    active += 1;
    res.once("close", () => {
      active -= 1;
      const durationMs = performance.now() - startedAt;
      const route = routeOf(req);
      seriesOf(req.method, route, res.statusCode).observe(durationMs / 1000);
      const isSlow = durationMs > SLOW_MS;
      if (!isSlow && !logger.isLevelEnabled("debug")) return;
      const line = {
        method: req.method,
        route,
        status: res.statusCode,
        durationMs: Math.round(durationMs),
        requestId: requestIdOf(req),
        traceId: traceIdOf(req),
      };
      if (isSlow) logger.warn(line, "slow request");
      else logger.debug(line, "request");
    });
  };
}

const STATES = { ok: 0, degraded: 1, down: 2 } as const;

/** Shows what readiness finds, so that alerts can name the part that is away. */
export function observeReadiness(app: Express, readiness: Readiness): void {
  const checks = shared(readiness);
  new Gauge({
    name: "check_state",
    help: "What readiness finds of each part: 0 ok, 1 degraded, 2 down.",
    labelNames: ["check"],
    registers: [metricsOf(app)],
    async collect() {
      this.reset();
      for (const [check, state] of Object.entries((await checks()) ?? {})) this.set({ check }, STATES[state]);
    },
  });
}

/** Shows which version runs, and when its certificate ends. */
export function observeProcess(app: Express, tls: Pick<Tls, "validTo"> | null): void {
  const registers = [metricsOf(app)];
  new Gauge({
    name: "build_info",
    help: "1, with the version that runs.",
    labelNames: ["version", "node"],
    registers,
  }).set({ version: VERSION, node: process.version }, 1);
  if (!tls?.validTo) return;
  new Gauge({
    name: "tls_certificate_expires_timestamp_seconds",
    help: "When the certificate that this process serves with ends.",
    registers,
    collect() {
      this.set((tls.validTo?.getTime() ?? 0) / 1000);
    },
  });
}
