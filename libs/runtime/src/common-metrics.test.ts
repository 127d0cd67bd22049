import { auditEvent } from "@medvault/contracts";
import { shred } from "@medvault/keys";
import { connectBroker } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { CommonConfig } from "@medvault/service-kit";
import { actor, createTestBroker, metricOf, startTestService, testLogger } from "@medvault/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { defineService, type HeldConsumer, type Parts } from "./service.ts";

const TAKEN = "medvault.records.patient.erased.v1";
const seen: { consumer?: HeldConsumer } = {};
const declared = defineService({
  name: "files",
  config: CommonConfig,
  open: (parts) => parts as Pick<Parts, "pool" | "appender">,
  routes: () => [],
  consumers: () => [
    {
      queue: "medvault.files",
      bindings: [TAKEN],
      handle: async () => {},
      held: (consumer) => void Object.assign(seen, { consumer }),
    },
  ],
});

const rabbit = await createTestBroker();
const broker = connectBroker({ url: rabbit.url("files"), logger: testLogger() });
let service: Awaited<
  ReturnType<typeof startTestService<typeof CommonConfig, Pick<Parts, "pool" | "appender">>>
>;
beforeAll(async () => {
  service = await startTestService(declared, { broker });
  await vi.waitFor(() => expect(broker.state()).toBe("connected"), 10_000);
});
afterAll(async () => {
  await service.close();
  await broker.close();
  await rabbit.close();
});

const shown = (name: string, labels?: Record<string, string>) => metricOf(service.app, name, labels);
const read = (outcome: "success" | "denied") =>
  auditEvent(actor("doctor"), {
    type: outcome === "denied" ? "medvault.files.file.denied.v1" : "medvault.files.file.read.v1",
    subject: "file/1",
    action: "file:read",
    outcome,
  });
const denials = { type: "medvault.files.file.denied.v1", outcome: "denied" };

test("events are counted once they are committed, and one that alerts watch is there as 0 before it happens", async () => {
  expect(await shown("events_total", denials)).toBe(0);
  expect(await shown("outbox_events")).toBe(0);
  await service.context.appender.append(read("denied"), read("success"), read("success"));
  expect(await shown("events_total", denials)).toBe(1);
  expect(await shown("events_total", { type: "medvault.files.file.read.v1" })).toBe(2);
  await service.pool.query("update outbox set created_at = now() - interval '1 minute'");
  await expect.poll(() => shown("outbox_events"), { timeout: 10_000 }).toBe(3);
  await expect.poll(() => shown("outbox_oldest_seconds"), { timeout: 10_000 }).toBeGreaterThan(59);
});

test("the depth of a queue is what waits in it, and who takes of it; before it is there, nothing is said", async () => {
  expect(await shown("queue_messages", { queue: "medvault.files" })).toBeUndefined();
  seen.consumer?.start();
  const consumers = () => shown("queue_consumers", { queue: "medvault.files" });
  await expect.poll(consumers, { timeout: 15_000 }).toBe(1);
  await seen.consumer?.stop();
  const sender = connectBroker({ url: rabbit.url("records"), logger: testLogger() });
  await vi.waitFor(() => expect(sender.state()).toBe("connected"), 10_000);
  const channel = await sender.createConfirmChannel();
  for (let n = 0; n < 3; n++)
    channel.publish("medvault.events", TAKEN, Buffer.from("x"), { userId: "records" });
  await channel.waitForConfirms();
  await sender.close();
  await expect.poll(() => shown("queue_messages", { queue: "medvault.files" }), { timeout: 15_000 }).toBe(3);
  expect(await consumers()).toBe(0);
  expect(await shown("queue_messages", { queue: "medvault.files.dead" })).toBe(0);
});

test("keys show their age, and a shred shows for how long it has waited to be final", async () => {
  await service.pool.query(
    "insert into service_keys (version, noted_at) values (1, now() - interval '400 days'), (2, now() - interval '2 days')",
  );
  await expect.poll(() => shown("key_age_seconds", { kind: "service" })).toBeCloseTo(2 * 86_400, -2);
  expect(await shown("shred_waiting_seconds")).toBe(0);
  await inTransaction(service.pool, (tx) => shred(tx, "0197a000-0000-7000-8000-00000000000a"));
  await service.pool.query("update shreds set shredded_at = now() - interval '1 hour'");
  await expect.poll(() => shown("shred_waiting_seconds"), { timeout: 10_000 }).toBeCloseTo(3_600, -2);
});

test("without its database a service says nothing of what it cannot know, and answers all the same", async () => {
  await service.superuser("alter table files_sys.outbox rename to away");
  await expect.poll(() => shown("outbox_events"), { timeout: 10_000 }).toBeUndefined();
  expect(await shown("postgres_connections", { state: "waited_for" })).toBe(0);
  await service.superuser("alter table files_sys.away rename to outbox");
  await expect.poll(() => shown("outbox_events"), { timeout: 10_000 }).toBe(3);
});
