import { inTransaction } from "@medvault/postgres";
import { expect, test, vi } from "vitest";
import { listen, numbered, numberOf } from "../test/harness.ts";
import { givenRelaying } from "../test/relay-harness.ts";
import { topologyDefinitions } from "./definitions.ts";
import { emit } from "./emit.ts";
import { LeaseLost } from "./errors.ts";
import { acquireLease, claimRows, deleteConfirmed, readLag, readPositions } from "./relay.store.ts";

const { audit, broker, emitted, logger, pool, startRelay } = await givenRelaying();

const END = Number.MAX_SAFE_INTEGER;

async function outboxIsEmpty(): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await pool.query(
      "select (select count(*) from outbox) as o, (select count(*) from relay_batches) as j",
    );
    expect(rows).toEqual([{ o: 0, j: 0 }]);
  }, 10_000);
}

function sequences(): number[] {
  return audit.events().map((event) => event.producerseq ?? -1);
}

async function lastSeq(): Promise<number> {
  return (await pool.query<{ last_seq: number }>("select last_seq from producer")).rows[0]?.last_seq ?? -1;
}

test("audit events arrive in batches of at most 100, in order, numbered without a gap", async () => {
  const before = await lastSeq();
  await emitted(1, 1_234);
  startRelay();
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1_234), 10_000);
  expect(audit.events().map(numberOf)).toEqual(Array.from({ length: 1_234 }, (_, i) => i + 1));
  expect(sequences()).toEqual(Array.from({ length: 1_234 }, (_, i) => before + i + 1));
  expect(Math.max(...audit.received.map((message) => message.events.length))).toBe(100);
  expect(audit.received[0]).toMatchObject({ userId: "records", routingKey: "medvault.records.audit" });
  expect(new Set(audit.events().map((event) => event.producerepoch)).size).toBe(1);
  await outboxIsEmpty();
});

test("a commit wakes the relay of its process, a rollback does not", async () => {
  startRelay({ pollMs: 3_600_000, leaseMs: 3_600_000 });
  await emitted(1, 1);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  const undone = inTransaction(pool, async (tx) => {
    await emit(tx, "records", numbered(2));
    throw new Error("undone");
  });
  await expect(undone).rejects.toThrow("undone");
  await emitted(3, 3);
  await vi.waitFor(() => expect(audit.events().map(numberOf)).toEqual([1, 3]), 5_000);
});

test("domain events travel alone under their type, without numbers", async () => {
  const domain = await listen(broker, "test.domain", "medvault.records.thing.*.v1");
  const before = await lastSeq();
  await emitted(1, 3, "domain");
  startRelay();
  await vi.waitFor(() => expect(domain.received).toHaveLength(3), 5_000);
  expect(domain.received[0]?.routingKey).toBe("medvault.records.thing.counted.v1");
  expect(domain.events()[0]?.producerseq).toBeUndefined();
  await outboxIsEmpty();
  expect(await lastSeq()).toBe(before);
  await domain.close();
  await broker.manage("DELETE", "queues/{vhost}/test.domain");
});

test("a domain event that no queue is bound to is returned, waits, and delays no other", async () => {
  await emitted(1, 1, "domain");
  startRelay();
  await emitted(2, 2);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  expect(await readLag(pool)).toMatchObject({ pending: 1 });
  const domain = await listen(broker, "test.late", "medvault.records.#");
  await vi.waitFor(() => expect(domain.events().map(numberOf)).toContain(1), 10_000);
  await outboxIsEmpty();
  await domain.close();
  await broker.manage("DELETE", "queues/{vhost}/test.late");
});

test("without the audit queue nothing is published, and nothing is lost", async () => {
  await audit.close();
  await broker.manage("DELETE", "queues/{vhost}/medvault.audit");
  await emitted(1, 5);
  startRelay();
  await vi.waitFor(
    () => expect(logger.lines.some((line) => line.message === "relay waits")).toBe(true),
    5_000,
  );
  expect(await readLag(pool)).toMatchObject({ pending: 5 });
  await broker.manage("POST", "definitions/{vhost}", topologyDefinitions(broker.vhost));
  await audit.open();
  await vi.waitFor(() => expect(audit.events().map(numberOf)).toEqual([1, 2, 3, 4, 5]), 10_000);
});

test("the audit queue deleted under a running relay: events wait and keep their numbers", async () => {
  startRelay();
  await emitted(1, 1);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(1), 5_000);
  const before = await lastSeq();
  await broker.manage("DELETE", "queues/{vhost}/medvault.audit");
  await emitted(2, 4);
  await vi.waitFor(async () => expect(await lastSeq()).toBe(before + 3), 5_000);
  await broker.manage("POST", "definitions/{vhost}", topologyDefinitions(broker.vhost));
  await audit.close();
  await audit.open();
  await vi.waitFor(() => expect(sequences()).toEqual([before + 1, before + 2, before + 3]), 15_000);
  await outboxIsEmpty();
});

test("died after the journal, before the publish: the same numbers go out", async () => {
  await emitted(1, 3);
  const lease = await acquireLease(pool, "00000000-0000-4000-8000-000000000001", 1);
  expect(lease).not.toBeNull();
  if (lease === null) return;
  const { batch } = await claimRows(pool, lease, 0, END, 10);
  await emitted(4, 4);
  startRelay();
  await vi.waitFor(() => expect(audit.events().map(numberOf)).toEqual([1, 2, 3, 4]), 10_000);
  const first = batch?.firstSeq ?? 0;
  expect(sequences()).toEqual([first, first + 1, first + 2, first + 3]);
  await outboxIsEmpty();
});

test("died after the publish, before the delete: the same events come again under the same numbers", async () => {
  await emitted(1, 3);
  const stopped = startRelay({ pool: failingOn(/delete from outbox/), leaseMs: 300 });
  await vi.waitFor(() => expect(audit.events().length).toBeGreaterThanOrEqual(3), 5_000);
  await stopped.stop();
  startRelay();
  await outboxIsEmpty();
  await vi.waitFor(() => expect(audit.events().length).toBeGreaterThanOrEqual(6), 5_000);
  const pairs = new Set(audit.events().map((event) => `${event.id} ${event.producerseq}`));
  expect(pairs.size).toBe(3);
});

/** The pool, until a statement matches: then nothing is carried out, as in a dead process. */
function failingOn(pattern: RegExp): typeof pool {
  return Object.assign(Object.create(pool), {
    query: (text: string, values: unknown[]) =>
      pattern.test(text) ? Promise.reject(new Error("died")) : pool.query(text, values),
  });
}

test("two relays at once: one works, the numbers stay gapless, and the other takes over when it stops", async () => {
  const before = await lastSeq();
  const one = startRelay({ leaseMs: 500 });
  startRelay({ leaseMs: 500 });
  for (let n = 0; n < 20; n++) await emitted(n * 10 + 1, n * 10 + 10);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(200), 10_000);
  await one.stop();
  await emitted(201, 210);
  await vi.waitFor(() => expect(audit.events()).toHaveLength(210), 10_000);
  expect(sequences()).toEqual(Array.from({ length: 210 }, (_, i) => before + i + 1));
});

test("a relay that was replaced while it hung is fenced: it numbers nothing and deletes nothing", async () => {
  await emitted(1, 2);
  const old = await acquireLease(pool, "00000000-0000-4000-8000-000000000001", 1);
  if (old === null) throw new Error("no lease");
  const { batch, rows } = await claimRows(pool, old, 0, END, 10);
  const positions = rows.map((row) => row.position);
  await vi.waitFor(async () =>
    expect(await acquireLease(pool, "00000000-0000-4000-8000-000000000002", 60_000)).not.toBeNull(),
  );
  await expect(claimRows(pool, old, 0, END, 10)).rejects.toThrow(LeaseLost);
  expect(await deleteConfirmed(pool, old, 1_000, positions, batch)).toBe(false);
  expect(await readPositions(pool, positions)).toHaveLength(2);
  expect((await pool.query("select from relay_batches")).rowCount).toBe(1);
});

test("a heartbeat has epoch and last number, once, and not again while nothing happens", async () => {
  await pool.query("update producer set heartbeat_at = null");
  startRelay({ heartbeatMs: 50 });
  await emitted(1, 1);
  const isHeartbeat = (type: string): boolean => type === "medvault.records.producer.heartbeat.v1";
  await vi.waitFor(() => expect(audit.events().some((event) => isHeartbeat(event.type))).toBe(true), 5_000);
  await outboxIsEmpty();
  const after = await lastSeq();
  // Ten polls later still nothing more was numbered.
  const { rows } = await pool.query<{ heartbeat_seq: number }>("select heartbeat_seq from producer");
  expect(rows[0]?.heartbeat_seq).toBe(after);
  const beat = audit.events().find((event) => isHeartbeat(event.type));
  expect(beat?.data.details).toMatchObject({
    epoch: beat?.producerepoch,
    lastSeq: (beat?.producerseq ?? 0) - 1,
  });
});

test("a long transaction's event comes late, and nothing waits for it", async () => {
  startRelay();
  const client = await pool.connect();
  try {
    await client.query("begin");
    await emit(client as never, "records", numbered(1));
    await emitted(2, 50);
    await vi.waitFor(() => expect(audit.events()).toHaveLength(49), 5_000);
    await client.query("commit");
  } finally {
    client.release();
  }
  await vi.waitFor(() => expect(audit.events().map(numberOf)).toContain(1), 5_000);
  const all = sequences();
  expect(all).toEqual(Array.from({ length: 50 }, (_, i) => (all[0] ?? 0) + i));
});

test("lag says how many wait and for how long", async () => {
  const relay = startRelay();
  await relay.stop();
  expect(await readLag(pool)).toEqual({ pending: 0, oldestSeconds: 0 });
  await emitted(1, 7);
  await pool.query(
    "update outbox set created_at = now() - interval '1 minute' where event->>'subject' = 'thing/1'",
  );
  const lag = await readLag(pool);
  expect(lag.pending).toBe(7);
  expect(lag.oldestSeconds).toBeGreaterThan(59);
});
