import { once } from "node:events";
import type { RequestListener, ServerOptions } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Express } from "express";
import { collectDefaultMetrics } from "prom-client";
import { adminAppOf } from "./app.ts";
import { lifecycleOf } from "./lifecycle.ts";
import { createListener, type Listener } from "./listener.ts";
import type { Logger } from "./logger.ts";
import { metricsOf, observeProcess } from "./metrics.ts";
import { proving } from "./proof.ts";
import type { Tls } from "./tls.ts";
import type { OnMalformed } from "./wire.ts";

/** The whole of a stop, and the part of it that requests under way may take. */
const DRAIN_MS = 25_000;
const REQUESTS_MS = 20_000;
/** No request for this long, and the clients have gone elsewhere. */
const IDLE_MS = 300;
/** How often the event loop's lag is measured: each time wakes the process, busy or not. */
const LAG_EVERY_MS = 200;

export interface ServeOptions {
  app: Express;
  /** Default: the admin app that `createApp` made. */
  adminApp?: Express;
  port: number;
  adminPort: number;
  /** Default 127.0.0.1. */
  host?: string;
  logger: Logger;
  /** Run in order after the last request; each error is logged and the next still runs. */
  onStop: (() => Promise<void> | void)[];
  http?: ServerOptions;
  /** Default: both ports are plain. Closed at the end. */
  tls?: Tls;
  onMalformed?: OnMalformed;
  /** Both ports prove by it whose they are (proof.ts). */
  proofKey?: string | undefined;
  /** Default process.exit; tests give their own. */
  exit?: (code: number) => void;
}

export interface Running {
  port: number;
  adminPort: number;
  /** The drain, as a signal would start it, without the exit. */
  stop(): Promise<void>;
}

/**
 * Listens; on SIGTERM or SIGINT drains within 25 s: unready at once, new requests still answered
 * with `Connection: close` until none came for 300 ms, then the port closes, then `onStop`. (A
 * plain close loses requests under way on kept-alive connections.) A second signal exits at once.
 */
export async function serve(options: ServeOptions): Promise<Running> {
  const { app, logger, host = "127.0.0.1" } = options;
  const exit = options.exit ?? ((code: number) => process.exit(code));
  const lifecycle = lifecycleOf(app);
  const traffic = { active: 0, lastAt: 0 };
  const { tls = null, http, onMalformed } = options;
  const serveOne: RequestListener = (req, res) => {
    traffic.active += 1;
    traffic.lastAt = Date.now();
    res.once("close", () => {
      traffic.active -= 1;
      traffic.lastAt = Date.now();
    });
    if (lifecycle.state === "draining") res.setHeader("Connection", "close");
    app(req, res);
  };
  const proven = (handler: RequestListener) => proving(options.proofKey, handler);
  const server = createListener({ tls, logger, http, onMalformed }, proven(serveOne));
  const adminApp = options.adminApp ?? adminAppOf(app) ?? app;
  const admin = createListener({ tls, as: "adminListener", logger }, proven(adminApp));
  const registry = metricsOf(app);
  if (!registry.getSingleMetric("process_cpu_seconds_total")) {
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_EVERY_MS });
    observeProcess(app, tls);
  }

  await once(admin.listen(options.adminPort, host), "listening");
  await once(server.listen(options.port, host), "listening");
  const port = portOf(server);
  const adminPort = portOf(admin);
  logger.info({ port, adminPort, host, tls: tls?.listener != null }, "listening");

  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopping ??= drain();
    return stopping;
  };
  const drain = async () => {
    const deadline = Date.now() + DRAIN_MS;
    lifecycle.drain();
    traffic.lastAt = Date.now();
    const requestsUntil = Date.now() + REQUESTS_MS;
    while (Date.now() < requestsUntil && (traffic.active > 0 || Date.now() - traffic.lastAt < IDLE_MS))
      await sleep(20);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    await Promise.race([closed, sleep(1_000)]);
    server.closeAllConnections();
    for (const step of options.onStop) {
      try {
        await Promise.race([step(), sleep(Math.max(0, deadline - Date.now()))]);
      } catch (err) {
        logger.error({ err }, "a part did not stop cleanly");
      }
    }
    admin.close();
    admin.closeAllConnections();
    tls?.close();
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, onSignal);
    process.off("uncaughtException", onFault).off("unhandledRejection", onFault);
    logger.info("stopped");
  };
  const stopAndExit = (code: number) => {
    if (stopping) return exit(code || 1);
    stop().then(
      () => exit(code),
      () => exit(1),
    );
  };
  const onSignal = (signal: NodeJS.Signals) => {
    logger.info({ signal }, "draining");
    stopAndExit(0);
  };
  const onFault = (err: unknown) => {
    logger.fatal({ err }, "unexpected fault: stopping");
    stopAndExit(1);
  };
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  process.on("uncaughtException", onFault).on("unhandledRejection", onFault);
  return { port, adminPort, stop };
}

function portOf(server: Listener): number {
  return (server.address() as AddressInfo).port;
}

/** A wait that keeps no process alive by itself. */
const sleep = (ms: number): Promise<void> => delay(ms, undefined, { ref: false });
