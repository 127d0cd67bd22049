import { auditEvent, defineRoutes, newId } from "@medvault/contracts";
import { connectBroker, createRelay, emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { CommonConfig, createLogger, openTls, route } from "@medvault/service-kit";
import { startTelemetry } from "@medvault/service-kit/telemetry";
import {
  actor,
  createTestBroker,
  createTestDatabase,
  createTestRedis,
  metricOf,
  startCollector,
  startTestService,
  testLogger,
} from "@medvault/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectRedis } from "./redis.client.ts";
import { defineService, type Parts } from "./service.ts";

const SECRET = "s3cr3t-mark";
const api = defineRoutes({
  read: { method: "GET", path: "/v1/patients/{id}", summary: "Read", permission: "patient:read" },
});
const happened = (who: ReturnType<typeof actor> | null) =>
  auditEvent(who, {
    type: "medvault.records.patient.read.v1",
    subject: `patient/${newId()}`,
    action: "patient:read",
  });

type Context = Pick<Parts, "pool" | "appender" | "redis">;
const declared = defineService({
  name: "records",
  config: CommonConfig,
  pool: () => ({ max: 1 }),
  open: (parts) => parts as Context,
  routes: ({ pool, appender, redis }) => [
    route(api.read, async ({ actor: who, params }) => {
      await pool.query("select $1::text as given", [`${SECRET} ${params.id}`]);
      await redis.set(`key-${SECRET}`, SECRET);
      await inTransaction(pool, (tx) => emit(tx, "records", happened(who)));
      await appender.append(happened(who));
      return {};
    }),
  ],
});

const collector = await startCollector();
const logger = createLogger({ service: "records", level: "silent" });
const tls = await openTls({}, logger);
const stopTelemetry = startTelemetry({
  ...{ service: "records", instance: "records-1", endpoint: collector.url, ratio: 1 },
  ...{ isEdge: false, tls, logger },
});
const [database, rabbit, redisServer] = await Promise.all([
  createTestDatabase(["records"]),
  createTestBroker(),
  createTestRedis(),
]);
const redis = connectRedis(redisServer.url);
const broker = connectBroker({ url: rabbit.url("records"), logger: testLogger() });
let service: Awaited<ReturnType<typeof startTestService<typeof CommonConfig, Context>>>;
beforeAll(async () => {
  service = await startTestService(declared, { database, redis });
  await vi.waitFor(() => expect([redis.status, broker.state()]).toEqual(["ready", "connected"]), 10_000);
});
afterAll(async () => {
  await service.close();
  redis.disconnect();
  await broker.close();
  await Promise.all([database.drop(), rabbit.close(), redisServer.close()]);
  tls.close();
  collector.close();
});

/** Asks for patients, each in a trace of its own. */
async function traced(count: number): Promise<string[]> {
  const doctor = service.as(actor("doctor", { sessionId: "session-1" }));
  const traceIds = Array.from({ length: count }, () => newId().replaceAll("-", ""));
  await Promise.all(
    traceIds.map((traceId) =>
      doctor.get(`/v1/patients/${newId()}?${SECRET}=1`, {
        headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01`, "x-request-id": `request-${traceId}` },
      }),
    ),
  );
  return traceIds;
}

test("every statement, command and event of a request is in its trace, however many share a connection; nothing else is traced, and no id, argument or value", async () => {
  // What a process does by itself.
  await service.pool.query("select 1");
  await redis.ping();
  await service.context.appender.append(happened(null));
  await metricOf(service.app, "outbox_events");
  const relay = createRelay({ pool: service.pool, source: "records", broker, logger: testLogger() });
  relay.start();
  const traceIds = await traced(12);
  await vi.waitFor(
    async () => expect((await service.pool.query("select from outbox")).rowCount).toBe(0),
    15_000,
  );
  await relay.stop();
  await stopTelemetry();

  const spans = collector.spans();
  expect([...new Set(spans.map(({ traceId }) => traceId))].sort()).toEqual([...traceIds].sort());
  for (const traceId of traceIds) {
    const own = spans.filter((span) => span.traceId === traceId);
    const names = own.map(({ name }) => name).sort();
    expect(names).toEqual(
      [
        ...["GET /v1/patients/{id}", "SELECT", "SET", "BEGIN", "INSERT outbox", "COMMIT", "append events"],
        ...["send medvault.events", "send medvault.events"],
      ].sort(),
    );
    const server = own.find(({ name }) => name === "GET /v1/patients/{id}");
    expect(server).toMatchObject({
      parentSpanId: "b7ad6b7169203331",
      attributes: {
        "http.route": "/v1/patients/{id}",
        "http.response.status_code": 204,
        "medvault.request_id": `request-${traceId}`,
        "session.id": "session-1",
      },
      resource: { "service.name": "records", "service.version": expect.any(String) },
    });
    for (const span of own) if (span !== server) expect(span.parentSpanId, span.name).toBe(server?.spanId);
  }
  expect(String(spans[0]?.resource["service.instance.id"])).toMatch(/^records-1\./);
  expect(collector.text()).not.toContain(SECRET);
  expect(collector.text()).not.toMatch(/patient\/|patients\/[^{]/);
});
