import { hostname } from "node:os";
import { context, DiagLogLevel, diag, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Logger } from "../logger.ts";
import { traceRequestsWith } from "../request-tracer.ts";
import type { Tls } from "../tls.ts";
import { VERSION } from "../version.ts";
import { traceCalls } from "./call-span.ts";
import { traceCommands } from "./command-span.ts";
import { traceEvents } from "./event-span.ts";
import { requestSpans } from "./request-span.ts";
import { traceStatements } from "./statement-span.ts";

export interface TelemetryOptions {
  /** The process: `service.name`. */
  readonly service: string;
  readonly instance: string;
  /** Of a collector that takes OTLP over HTTP: `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** The share of requests that are traced. */
  readonly ratio: number;
  /** Clients outside do not decide what is traced: the gateway does. */
  readonly isEdge: boolean;
  readonly tls: Pick<Tls, "outgoing">;
  readonly logger: Logger;
}

const LOG_AGAIN_MS = 60_000;
const EXPORT_MS = 5_000;

/**
 * Turns tracing on for this process: its requests, and what they do in Postgres, Redis, other
 * services and by events. What is not done for a request makes no span. Spans name routes,
 * statements and types of events, never a path, an argument, a value or a patient. The answer sends
 * what is left and ends it.
 */
export function startTelemetry(options: TelemetryOptions): () => Promise<void> {
  const { service, instance, endpoint, ratio, isEdge, tls } = options;
  logFailures(options.logger);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const root = new TraceIdRatioBasedSampler(ratio);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.namespace": "medvault",
      "service.name": service,
      "service.version": VERSION,
      "service.instance.id": `${instance}.${hostname()}.${process.pid}`,
    }),
    sampler: new ParentBasedSampler({
      root,
      ...(isEdge && { remoteParentSampled: root, remoteParentNotSampled: root }),
    }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({
          url: new URL("v1/traces", `${endpoint.replace(/\/$/, "")}/`).href,
          timeoutMillis: EXPORT_MS,
          ...(endpoint.startsWith("https:") && { httpAgentOptions: agentOf(tls) }),
        }),
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  traceRequestsWith(requestSpans());
  const stops = [traceCalls(), traceCommands(), traceEvents(), traceStatements()];
  return async () => {
    for (const stop of stops) stop();
    await provider.shutdown();
  };
}

/** As the process calls everything else: its CA and its certificate, as they are at the start. */
const agentOf = (tls: Pick<Tls, "outgoing">) => async () => {
  const { Agent } = await import("node:https");
  const { rejectUnauthorized, secureContext } = tls.outgoing;
  return new Agent({ keepAlive: true, rejectUnauthorized, secureContext });
};

/** A collector that is away disturbs nothing, and is said once a minute. */
function logFailures(logger: Logger): void {
  let saidAt = Number.NEGATIVE_INFINITY;
  const say = () => {
    if (performance.now() - saidAt < LOG_AGAIN_MS) return;
    saidAt = performance.now();
    logger.warn({ component: "telemetry" }, "traces could not be sent to the collector and are dropped");
  };
  const nothing = () => {};
  diag.setLogger(
    { error: say, warn: nothing, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
}
