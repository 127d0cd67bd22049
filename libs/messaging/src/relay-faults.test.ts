import { createPool, inTransaction } from "@medvault/postgres";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { createProxy } from "../../testing/src/index.ts";
import { emptyTables, givenMessaging, type Listener, listen, numbered, numberOf } from "../test/harness.ts";
import { connectBroker } from "./broker.ts";
import { emit } from "./emit.ts";
import { createRelay, type Relay } from "./relay.ts";

const messaging = await givenMessaging();
const { database, broker, logger } = messaging;
const pool = database.pool("records");
const relays: Relay[] = [];
let audit: Listener;

afterAll(() => messaging.end());
beforeEach(async () => {
  await emptyTables(database, "records");
  await pool.query(
    "update producer set lease_owner = null, lease_until = null, heartbeat_at = now(), heartbeat_seq = last_seq",
  );
  audit = await listen(broker, "medvault.audit");
});
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  await audit.close();
});

async function emitted(from: number, to: number): Promise<void> {
  const events = Array.from({ length: to - from + 1 }, (_, i) => numbered(from + i));
  await inTransaction(pool, (tx) => emit(tx, "records", ...events));
}

/** Every event arrived, and whichever way it came each kept one number; the numbers have no gap. */
function assertGapless(count: number): void {
  const numberById = new Map<string, number>();
  for (const event of audit.events()) {
    const known = numberById.get(event.id);
    expect(known ?? event.producerseq).toBe(event.producerseq);
    numberById.set(event.id, event.producerseq ?? -1);
  }
  const sorted = [...numberById.values()].toSorted((a, b) => a - b);
  expect(sorted).toEqual(Array.from({ length: count }, (_, i) => (sorted[0] ?? 0) + i));
}

async function everythingSent(count: number): Promise<void> {
  await vi.waitFor(async () => {
    expect((await pool.query("select from outbox")).rowCount).toBe(0);
    expect(new Set(audit.events().map(numberOf)).size).toBe(count);
  }, 20_000);
}

test("the broker is cut again and again in mid-publish: every event arrives under one number", async () => {
  const proxy = await createProxy(broker.url("records"));
  const relay = createRelay({ pool, source: "records", amqpUrl: proxy.url, logger, batchRows: 200 });
  relays.push(relay);
  relay.start();
  for (let round = 0; round < 5; round++) {
    const sent = proxy.bytesSent();
    await emitted(round * 400 + 1, round * 400 + 400);
    await vi.waitFor(() => expect(proxy.bytesSent()).toBeGreaterThan(sent + 20_000), {
      timeout: 10_000,
      interval: 1,
    });
    proxy.cut();
    proxy.restore();
  }
  await everythingSent(2_000);
  assertGapless(2_000);
  await relay.stop();
  await proxy.close();
}, 60_000);

test("the broker hangs without a word: events wait, and arrive when it speaks again", async () => {
  const proxy = await createProxy(broker.url("records"));
  const relay = createRelay({ pool, source: "records", amqpUrl: proxy.url, logger });
  relays.push(relay);
  relay.start();
  await emitted(1, 10);
  await everythingSent(10);
  proxy.stall();
  await emitted(11, 20);
  await vi.waitFor(
    async () => expect((await pool.query("select from relay_batches")).rowCount).toBe(1),
    5_000,
  );
  expect(await relay.lag()).toMatchObject({ pending: 10 });
  proxy.restore();
  await everythingSent(20);
  assertGapless(20);
  await relay.stop();
  await proxy.close();
}, 30_000);

test("Postgres is cut again and again in mid-batch: every event arrives under one number", async () => {
  const proxy = await createProxy(database.url("records"));
  const cutPool = createPool({ connectionString: proxy.url, applicationName: "test", connectTimeoutMs: 500 });
  const shared = connectBroker({ url: broker.url("records"), logger });
  const relay = createRelay({ pool: cutPool, source: "records", broker: shared, logger, batchRows: 50 });
  relays.push(relay);
  relay.start();
  for (let round = 0; round < 5; round++) {
    const sent = proxy.bytesSent();
    await emitted(round * 200 + 1, round * 200 + 200);
    await vi.waitFor(() => expect(proxy.bytesSent()).toBeGreaterThan(sent + 500 + round * 700), {
      timeout: 10_000,
      interval: 1,
    });
    proxy.cut();
    proxy.restore();
  }
  await everythingSent(1_000);
  assertGapless(1_000);
  await relay.stop();
  await shared.close();
  await cutPool.end();
  await proxy.close();
}, 60_000);

test("a broker slower than the lease does not make two relays take it from each other", async () => {
  const proxy = await createProxy(broker.url("records"));
  const slow = createRelay({ pool, source: "records", amqpUrl: proxy.url, logger, leaseMs: 300 });
  relays.push(slow);
  slow.start();
  await emitted(1, 1);
  await everythingSent(1);
  const { rows: before } = await pool.query<{ fence: number }>("select fence from producer");
  const standby = createRelay({
    pool,
    source: "records",
    amqpUrl: broker.url("records"),
    logger,
    leaseMs: 300,
  });
  relays.push(standby);
  standby.start();
  proxy.stall();
  await emitted(2, 10);
  const until = performance.now() + 1_000;
  await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(until), 2_000);
  proxy.restore();
  await everythingSent(10);
  const { rows: after } = await pool.query<{ fence: number }>("select fence from producer");
  expect(after).toEqual(before);
  expect(audit.events()).toHaveLength(10);
  await slow.stop();
  await proxy.close();
}, 20_000);

test("no broker at all: emitting goes on, the relay stops promptly, and the next one sends everything", async () => {
  const nowhere = new URL(broker.url("records"));
  nowhere.port = "9";
  const lost = createRelay({ pool, source: "records", amqpUrl: nowhere.href, logger });
  lost.start();
  await emitted(1, 30);
  const started = performance.now();
  await lost.stop();
  expect(performance.now() - started).toBeLessThan(5_000);
  const relay = createRelay({ pool, source: "records", amqpUrl: broker.url("records"), logger });
  relays.push(relay);
  relay.start();
  await everythingSent(30);
});

test("stop sends what is there before it ends, and lets another relay work at once", async () => {
  const first = createRelay({
    pool,
    source: "records",
    amqpUrl: broker.url("records"),
    logger,
    leaseMs: 60_000,
  });
  first.start();
  await emitted(1, 1);
  await everythingSent(1);
  const last = emitted(2, 300);
  await last;
  await first.stop();
  await everythingSent(300);
  const second = createRelay({ pool, source: "records", amqpUrl: broker.url("records"), logger });
  relays.push(second);
  second.start();
  await emitted(301, 310);
  await everythingSent(310);
  assertGapless(310);
});

test("numbered rows that somebody deleted show as a gap, and are reported", async () => {
  await emitted(1, 3);
  const dying = createRelay({
    pool: Object.assign(Object.create(pool), {
      query: (text: string, values: unknown[]) =>
        text.includes("delete from outbox") ? Promise.reject(new Error("died")) : pool.query(text, values),
    }),
    source: "records",
    amqpUrl: broker.url("records"),
    logger,
    leaseMs: 200,
  });
  dying.start();
  await vi.waitFor(() => expect(audit.events().length).toBeGreaterThanOrEqual(3), 5_000);
  await dying.stop();
  await pool.query("delete from outbox where event->>'subject' = 'thing/2'");
  logger.lines.length = 0;
  const relay = createRelay({ pool, source: "records", amqpUrl: broker.url("records"), logger });
  relays.push(relay);
  relay.start();
  await vi.waitFor(
    () =>
      expect(logger.lines).toContainEqual(
        expect.objectContaining({ fields: { code: "outbox_rows_missing", count: 1 } }),
      ),
    5_000,
  );
});
