/**
 * The one place where OpenTelemetry starts. Passed to node by `--import` only when tracing is on:
 *
 *     OTEL_SERVICE_NAME=records OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 \
 *       node --import @medvault/service-kit/telemetry src/main.ts
 *
 * so that a process without tracing does not load it (some 40 MB). The SDK itself reads endpoint,
 * service name and sampling from the standard OTEL_* variables.
 */
import { register } from "node:module";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { AmqplibInstrumentation } from "@opentelemetry/instrumentation-amqplib";
import { ExpressInstrumentation } from "@opentelemetry/instrumentation-express";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { IORedisInstrumentation } from "@opentelemetry/instrumentation-ioredis";
import { PgInstrumentation } from "@opentelemetry/instrumentation-pg";
import { NodeSDK } from "@opentelemetry/sdk-node";

// ES modules are patched by a loader hook; without it http, pg and the rest make no spans at all.
register("@opentelemetry/instrumentation/hook.mjs", import.meta.url);

const HEALTH = new Set(["/healthz", "/readyz", "/metrics"]);

const sdk = new NodeSDK({
  // The SDK wraps it in a batch processor by the OTEL_BSP_* variables. (One made by hand takes an
  // options object since 3.x; the old positional call silently exports nothing.)
  traceExporter: new OTLPTraceExporter(),
  metricReaders: [], // metrics are Prometheus', on the admin port
  logRecordProcessors: [],
  instrumentations: [
    new HttpInstrumentation({
      disableOutgoingRequestInstrumentation: true, // the exporter's; services are called by undici
      ignoreIncomingRequestHook: (req) => HEALTH.has((req.url ?? "").split("?", 1)[0] ?? ""),
      // A span's default attributes would hold the URL with its query.
      redactedQueryParamsServer: ["cursor", "q", "token", "code", "unmask"],
    }),
    new ExpressInstrumentation(),
    new PgInstrumentation({ enhancedDatabaseReporting: false }), // statements, never their values
    new IORedisInstrumentation({ dbStatementSerializer: (command) => command }),
    new AmqplibInstrumentation(),
  ],
});
sdk.start();

const stop = () => {
  sdk.shutdown().catch(() => undefined); // lost spans are not worth a failed stop
};
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
