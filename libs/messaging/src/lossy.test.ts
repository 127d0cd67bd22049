import { auditEvent, type NewEvent } from "@medvault/contracts";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { actor, createTestBroker, testLogger } from "../../testing/src/index.ts";
import { type Listener, listen, proxyTo } from "../test/harness.ts";
import { connectBroker } from "./broker.ts";
import { createLossyProducer, type LossyProducer, type LossyProducerOptions } from "./lossy.ts";

const testBroker = await createTestBroker();
const logger = testLogger();
const ends: (() => Promise<void>)[] = [];
let audit: Listener;

afterAll(() => testBroker.close());
beforeEach(async () => {
  audit = await listen(testBroker, "medvault.audit");
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await audit.close();
});

function refusedFrom(ip: string, reason = "rate_limited"): NewEvent {
  const event = auditEvent(actor("guest", { ip }), {
    type: "medvault.gateway.request.refused.v1",
    subject: "request/any",
    action: "request:refuse",
    outcome: "denied",
    reason,
  });
  return { ...event, data: { ...event.data, actor: null } };
}

async function producer(
  options: Partial<LossyProducerOptions> = {},
  url = testBroker.url("gateway"),
): Promise<LossyProducer> {
  const broker = connectBroker({ url, logger });
  ends.push(() => broker.close());
  await vi.waitFor(() => expect(broker.state()).toBe("connected"), 5_000);
  const made = createLossyProducer({ broker, source: "gateway", instance: "g1", flushMs: 100, ...options });
  ends.push(() => made.close());
  return made;
}

test("events of a kind and an address become one, with their count", async () => {
  const gateway = await producer();
  for (let i = 0; i < 50; i++) gateway.record(refusedFrom("192.0.2.1"));
  for (let i = 0; i < 3; i++) gateway.record(refusedFrom("192.0.2.2"));
  gateway.record(refusedFrom("192.0.2.2", "screened"));
  await vi.waitFor(() => expect(audit.events()).toHaveLength(3), 5_000);
  expect(audit.events().map((event) => event.data.details?.count)).toEqual([50, 3, 1]);
  expect(audit.received[0]).toMatchObject({ userId: "gateway", routingKey: "medvault.gateway.audit" });
  expect(audit.events()[0]).toMatchObject({ source: "/medvault/gateway/g1" });
  expect(audit.events()[0]?.producerseq).toBeUndefined();
});

test("what does not fit is dropped, counted, and said", async () => {
  const gateway = await producer({ maxEvents: 10 });
  for (let i = 0; i < 25; i++) gateway.record(refusedFrom(`192.0.2.${i}`));
  expect(gateway.dropped()).toBe(15);
  const isDropped = (type: string): boolean => type === "medvault.gateway.events.dropped.v1";
  await vi.waitFor(() => expect(audit.events().some((event) => isDropped(event.type))).toBe(true), 5_000);
  const said = audit.events().find((event) => isDropped(event.type));
  expect(said?.data.details?.count).toBe(15);
});

test("the broker away: events wait within the bound, and go out afterwards", async () => {
  const proxy = await proxyTo(testBroker.url("gateway"));
  const gateway = await producer({}, proxy.url);
  gateway.record(refusedFrom("192.0.2.1"));
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  proxy.cut();
  gateway.record(refusedFrom("192.0.2.2"));
  await vi.waitFor(() =>
    expect(logger.lines.some((line) => line.message.startsWith("broker away"))).toBe(true),
  );
  proxy.restore();
  await vi.waitFor(() => expect(audit.events()).toHaveLength(2), 10_000);
});

test("close sends what is left", async () => {
  const gateway = await producer({ flushMs: 60_000 });
  gateway.record(refusedFrom("192.0.2.9"));
  await gateway.close();
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
});

test("the broker away for longer than the buffer lasts: what had to go is counted, and reported once it is back", async () => {
  const proxy = await proxyTo(testBroker.url("gateway"));
  const gateway = await producer({ maxEvents: 5 }, proxy.url);
  proxy.cut();
  // Twelve flushes' worth of unknown addresses, of which five fit.
  for (let i = 0; i < 12; i++) {
    gateway.record(refusedFrom(`192.0.2.${i}`));
    const dropped = Math.max(0, i - 4);
    await vi.waitFor(() => expect(gateway.dropped()).toBeGreaterThanOrEqual(dropped), 5_000);
  }
  await vi.waitFor(() => expect(gateway.dropped()).toBe(7), 5_000);
  proxy.restore();
  const isDropped = (type: string): boolean => type === "medvault.gateway.events.dropped.v1";
  await vi.waitFor(() => expect(audit.events().some(({ type }) => isDropped(type))).toBe(true), 15_000);
  const unique = new Map(audit.events().map((event) => [event.id, event]));
  const counts = [...unique.values()].map(({ type, data }) => [isDropped(type), data.details?.count]);
  expect(counts.filter(([dropped]) => !dropped)).toHaveLength(5);
  expect(counts.filter(([dropped]) => dropped)).toEqual([[true, 7]]);
});

test("a partition, in which nothing is confirmed, keeps events until they are", async () => {
  const proxy = await proxyTo(testBroker.url("gateway"));
  const gateway = await producer({}, proxy.url);
  gateway.record(refusedFrom("192.0.2.1"));
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  proxy.stall();
  gateway.record(refusedFrom("192.0.2.2"));
  gateway.record(refusedFrom("192.0.2.3"));
  expect(gateway.dropped()).toBe(0);
  proxy.restore();
  await vi.waitFor(
    () => expect(new Set(audit.events().map((event) => event.data.from?.ip)).size).toBe(3),
    15_000,
  );
});

const refusedPerson = (id: string, requestId: string): NewEvent => {
  const event = refusedFrom("192.0.2.1");
  return { ...event, requestId, data: { ...event.data, actor: { id, role: "doctor", sessionId: null } } };
};

test("an event that is to be found by its request goes out by itself, without waiting for the counts", async () => {
  const gateway = await producer({ flushMs: 60_000 });
  gateway.record(refusedFrom("192.0.2.1"));
  for (const id of ["r1", "r2"]) expect(gateway.recordAlone(refusedPerson("ana", id))).toBe(true);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(2), 5_000);
  expect(gateway.recordAlone(refusedPerson("ana", "r3"))).toBe(true);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(3), 5_000);
  expect(audit.events().map(({ requestid }) => requestid)).toEqual(["r1", "r2", "r3"]);
});

test("threat: guests who fill their room take none from people; what of theirs has none is counted exactly", async () => {
  const proxy = await proxyTo(testBroker.url("gateway"));
  const gateway = await producer({ maxEvents: 3, maxOfPeople: 4, flushMs: 200 }, proxy.url);
  proxy.cut();
  for (let i = 0; i < 50; i++) gateway.record(refusedFrom(`192.0.2.${i}`));
  const alone = Array.from({ length: 9 }, (_, i) => gateway.recordAlone(refusedPerson("ana", `r${i}`)));
  expect(alone).toEqual([...Array(4).fill(true), ...Array(5).fill(false)]);
  expect(gateway.dropped()).toBe(47);
  proxy.restore();
  const ofAna = () => audit.events().filter(({ data }) => data.actor?.id === "ana");
  await vi.waitFor(() => expect(new Set(ofAna().map(({ id }) => id)).size).toBe(5), 15_000);
  const counts = new Map(ofAna().map(({ id, data }) => [id, data.details?.count ?? 1]));
  expect([...counts.values()].sort()).toEqual([1, 1, 1, 1, 5]);
});
