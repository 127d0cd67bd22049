// A MedVault of its own that sends its traces to a collector of the test.
import { randomUUID } from "node:crypto";
import { type CollectedSpan, startCollector } from "@medvault/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { alerts, dashboards, eventTypesIn, metricsIn } from "../dev/telemetry/rules.ts";
import { freshAdmin } from "./support/admin.ts";
import { invite, type Person, text } from "./support/people.ts";
import { type RunningSystem, startSystem } from "./support/system.ts";

const SERVICES = ["audit", "auth", "backup", "files", "gateway", "records"];
const SECRETS = { familyName: `Spurlos-${randomUUID().slice(0, 8)}`, medication: `Nihilin-${randomUUID()}` };

const collector = await startCollector();
let system: RunningSystem;
let doctor: Person;
let patientId: string;
beforeAll(async () => {
  system = await startSystem("telemetry", {
    env: {
      MEDVAULT_DEMO: "0",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_BSP_SCHEDULE_DELAY: "100",
    },
  });
  const { client: admin } = await freshAdmin(system.ops);
  doctor = await invite(system.ops, admin, "doctor");
  await admin.get("/v1/backups");
  const { familyName } = SECRETS;
  const patient = { givenName: "Iris", familyName, birthDate: "1970-01-02", sex: "female" };
  patientId = text((await doctor.client.post("/v1/patients", patient)).body, "id");
  await doctor.client.get(`/v1/files?patientId=${patientId}`);
}, 300_000);
afterAll(async () => {
  await system?.stop();
  collector.close();
}, 60_000);

/** The spans of the trace of a request, once those that are named (service and name) have come. */
async function traceOf(requestId: string, ...names: string[]) {
  let spans: CollectedSpan[] = [];
  await vi.waitFor(
    () => {
      const all = collector.spans();
      const first = all.find(
        (span) => span.service === "gateway" && span.attributes["medvault.request_id"] === requestId,
      );
      spans = all.filter(({ traceId }) => traceId === first?.traceId);
      expect(spans.map(({ service, name }) => `${service} ${name}`)).toEqual(expect.arrayContaining(names));
    },
    { timeout: 30_000, interval: 200 },
  );
  return {
    spans,
    one: (named: string) =>
      spans.find(({ service, name }) => named === `${service} ${name}`) as CollectedSpan,
  };
}

test("a request is one trace: from the gateway, named by its route, through records, Postgres and Redis, over RabbitMQ into the log", async () => {
  const { medication } = SECRETS;
  const prescription = { patientId, medication, dosage: "1", startDate: "2026-11-01", status: "active" };
  const answer = await doctor.client.post("/v1/prescriptions", prescription);
  expect(answer.status).toBe(201);
  const names = {
    ...{ edge: "gateway POST /v1/prescriptions", call: "gateway POST" },
    served: "records POST /v1/prescriptions",
    ...{ sent: "records send medvault.events", logged: "audit process medvault.audit" },
  };
  const { spans, one } = await traceOf(answer.requestId, ...Object.values(names));
  const [edge, call, served] = [one(names.edge), one(names.call), one(names.served)];
  expect(edge.parentSpanId).toBeFalsy();
  expect(call.parentSpanId).toBe(edge.spanId);
  expect(served.parentSpanId).toBe(call.spanId);
  for (const name of [names.sent, names.logged]) expect(one(name).parentSpanId, name).toBe(served.spanId);
  const statements = spans.filter(({ attributes }) => attributes["db.system.name"] === "postgresql");
  expect(statements.length).toBeGreaterThan(0);
  for (const { service, parentSpanId } of statements)
    expect([service, parentSpanId]).toEqual(["records", served.spanId]);
  // In a burst the gateway need not ask Redis for each request: of all that it was asked for, some.
  const all = collector.spans();
  const asked = all.filter(
    (span) => span.service === "gateway" && span.attributes["db.system.name"] === "redis",
  );
  expect(asked.some(({ parentSpanId }) => all.some(({ spanId }) => spanId === parentSpanId))).toBe(true);
  for (const { attributes } of [edge, served]) {
    expect(attributes["medvault.request_id"]).toBe(answer.requestId);
    expect(attributes["session.id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(attributes["http.route"]).toBe("/v1/prescriptions");
  }
});

test("each process is told apart by service, version and instance", async () => {
  await vi.waitFor(
    () => expect([...new Set(collector.spans().map(({ service }) => service))].sort()).toEqual(SERVICES),
    { timeout: 30_000, interval: 200 },
  );
  const instances = new Map(
    collector.spans().map(({ service, resource }) => [resource["service.instance.id"], service]),
  );
  expect([...instances.values()].sort()).toEqual(SERVICES);
  for (const { resource } of collector.spans()) expect(resource["service.version"]).toMatch(/^\d+\.\d+\.\d+/);
});

test("what processes do by themselves makes no trace: each has a request at the gateway", async () => {
  const answer = await doctor.client.get(`/v1/patients/${patientId}`);
  await traceOf(answer.requestId, "gateway GET /v1/patients/{id}");
  const spans = collector.spans();
  // A child may come before its parent: of a trace that has just begun the gateway's is still open.
  const rooted = new Set(spans.filter(({ service }) => service === "gateway").map(({ traceId }) => traceId));
  await vi.waitFor(() => {
    for (const { service, traceId } of collector.spans()) if (service === "gateway") rooted.add(traceId);
    expect(
      spans.filter(({ traceId }) => !rooted.has(traceId)).map(({ service, name }) => `${service} ${name}`),
    ).toEqual([]);
  });
});

test("threat: traces hold no name, medication, credential or id of a patient or a person", () => {
  const sent = collector.text();
  const { username, email, password } = doctor;
  for (const secret of [...Object.values(SECRETS), patientId, doctor.id, username, email, password])
    expect(sent.includes(secret), secret).toBe(false);
  expect(sent).not.toMatch(/eyJ[A-Za-z0-9_-]{8}|Bearer/);
});

test("what dashboards and alert rules ask for is shown by a process: each metric, and each type of event from the start", async () => {
  const texts = await Promise.all(
    system.ops.processes.map(async ({ adminPort }) =>
      (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text(),
    ),
  );
  const shown = texts.join("\n");
  const queries = [
    ...alerts().map(({ expr }) => expr),
    ...dashboards().flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))),
  ];
  const metrics = new Set(queries.flatMap(metricsIn));
  const types = new Set(queries.flatMap(eventTypesIn));
  // Prometheus' own, and one that is there once it has happened.
  const elsewhere = ["up", "answers_unfit_total"];
  // Its certificate is shown where there is one.
  const inProduction = ["tls_certificate_expires_timestamp_seconds"];
  const isShown = (metric: string) => new RegExp(`^# TYPE ${metric} `, "m").test(shown);
  const missing = [...metrics].filter(
    (metric) => ![...elsewhere, ...inProduction].includes(metric) && !isShown(metric),
  );
  expect(missing).toEqual([]);
  expect([...types].filter((type) => !shown.includes(`type="${type}"`))).toEqual([]);
  expect(metrics.size).toBeGreaterThan(40);
  expect(types.size).toBeGreaterThan(10);
});
