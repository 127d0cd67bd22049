import type { CloudEvent } from "@medvault/contracts";
import { createPool, inTransaction, type Tx } from "@medvault/postgres";
import { type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import type pg from "pg";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { createProxy } from "../../testing/src/index.ts";
import { emptyTables, givenMessaging, numbered, numberOf } from "../test/harness.ts";
import { type Broker, connectBroker } from "./broker.ts";
import { type Consumer, createConsumer } from "./consumer.ts";
import type { EventHandler } from "./effect.ts";
import { toOutboxEvent } from "./envelope.ts";
import { listParked, redriveParked } from "./parked.ts";
import { BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE, publishAll } from "./publisher.ts";

const QUEUE = "medvault.files.things";
const KEY = "medvault.records.thing.counted.v1";

const messaging = await givenMessaging();
const { database, broker: testBroker, logger } = messaging;
const pool = database.pool("files");
const consumers: Consumer[] = [];
const brokers: Broker[] = [];
let sender: ChannelModel;
let channel: ConfirmChannel;

afterAll(() => messaging.end());
beforeEach(async () => {
  await emptyTables(database, "files");
  logger.lines.length = 0;
  sender = await connect(testBroker.url("records"));
  channel = await sender.createConfirmChannel();
});
afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.stop()));
  await Promise.all(brokers.splice(0).map((broker) => broker.close()));
  await sender.close();
  for (const queue of [QUEUE, `${QUEUE}.dead`]) {
    await testBroker.manage("DELETE", `queues/{vhost}/${queue}`).catch(() => {});
  }
});

async function startConsumer(
  handle: EventHandler,
  options: { pool?: pg.Pool; url?: string; allowedSources?: string[] } = {},
): Promise<Consumer> {
  const broker = connectBroker({ url: options.url ?? testBroker.url("files"), logger });
  brokers.push(broker);
  const consumer = createConsumer({
    broker,
    pool: options.pool ?? pool,
    queue: QUEUE,
    bindings: [KEY],
    handle,
    redriveMs: 100,
    ...(options.allowedSources ? { allowedSources: options.allowedSources } : {}),
  });
  consumers.push(consumer);
  consumer.start();
  await vi.waitFor(() => expect(consumer.state()).toBe("consuming"), 5_000);
  return consumer;
}

function eventJson(n: number): string {
  return toOutboxEvent("records", numbered(n)).json;
}

async function publish(
  bodies: string[],
  contentType = EVENT_CONTENT_TYPE,
  userId = "records",
): Promise<void> {
  const messages = bodies.map((body) => ({ routingKey: KEY, contentType, body: Buffer.from(body) }));
  expect(await publishAll(channel, userId, messages)).not.toContain(false);
}

/** Keeps what took effect, in the order in which it was committed. */
function recorder(): { handle: EventHandler; effects: number[] } {
  const effects: number[] = [];
  return {
    effects,
    handle: async (events: CloudEvent[]) => {
      effects.push(...events.map((event) => Number(numberOf(event))));
    },
  };
}

async function queueDepth(): Promise<number> {
  const connection = await connect(testBroker.adminUrl);
  const { messageCount } = await (await connection.createChannel()).checkQueue(QUEUE);
  await connection.close();
  return messageCount;
}

test("events take effect once, singly or in batches, and leave the queue", async () => {
  const { handle, effects } = recorder();
  await startConsumer(handle);
  await publish([eventJson(1)]);
  await publish([`[${eventJson(2)},${eventJson(3)}]`], BATCH_CONTENT_TYPE);
  await vi.waitFor(() => expect(effects).toEqual([1, 2, 3]), 5_000);
  expect(await queueDepth()).toBe(0);
});

test("a duplicate has no second effect, whether in one message, in two, or after a restart", async () => {
  const { handle, effects } = recorder();
  const first = await startConsumer(handle);
  const one = eventJson(1);
  await publish([`[${one},${one}]`], BATCH_CONTENT_TYPE);
  await publish([one, one]);
  await vi.waitFor(() => expect(effects).toEqual([1]), 5_000);
  await first.stop();
  await startConsumer(handle);
  await publish([one, eventJson(2)]);
  await vi.waitFor(() => expect(effects).toEqual([1, 2]), 5_000);
});

test("the inbox and the effect share a transaction: a handler that fails later leaves neither", async () => {
  let calls = 0;
  await startConsumer(async (_events, tx: Tx) => {
    calls += 1;
    await tx.query(
      "insert into parked (id, consumer, reason, routing_key, body) values (gen_random_uuid(), 'effect', 'x', 'x', '')",
    );
    if (calls < 3) throw new Error("not yet");
  });
  await publish([eventJson(1)]);
  await vi.waitFor(async () => {
    expect((await pool.query("select from parked where consumer = 'effect'")).rowCount).toBe(1);
    expect((await pool.query("select from inbox")).rowCount).toBe(1);
  }, 5_000);
  expect(calls).toBe(3);
});

test("poison is parked with its reason and acknowledged, and what stands beside it takes effect", async () => {
  const { handle, effects } = recorder();
  await startConsumer(handle);
  const stranger = eventJson(9).replaceAll("/medvault/records", "/medvault/auth");
  const wrongType = eventJson(9).replace("medvault.records.thing", "medvault.auth.thing");
  const withPhi = eventJson(9).replace('"fields":[]', '"fields":[],"note":"x"');
  await publish(["not json", "[]"], BATCH_CONTENT_TYPE);
  await publish([eventJson(9)], "text/plain");
  await publish(
    [`[${eventJson(1)},${stranger},${wrongType},${withPhi},7,${eventJson(2)}]`],
    BATCH_CONTENT_TYPE,
  );
  await vi.waitFor(() => expect(effects).toEqual([1, 2]), 5_000);
  const parked = await listParked(pool);
  expect(parked.map((row) => row.reason).sort()).toEqual([
    "content_type_unknown",
    "not_an_event",
    "not_an_event",
    "not_json",
    "source_not_user",
    "source_not_user",
  ]);
  expect(await queueDepth()).toBe(0);
});

test("a message without a user id is poison: nobody vouches for its sender", async () => {
  const { handle, effects } = recorder();
  await startConsumer(handle);
  channel.publish("medvault.events", KEY, Buffer.from(eventJson(1)), { contentType: EVENT_CONTENT_TYPE });
  await channel.waitForConfirms();
  await vi.waitFor(
    async () => expect(await listParked(pool)).toMatchObject([{ reason: "user_id_missing" }]),
    5_000,
  );
  expect(effects).toEqual([]);
});

test("a sender that this consumer does not expect is parked", async () => {
  const { handle, effects } = recorder();
  await startConsumer(handle, { allowedSources: ["auth"] });
  await publish([eventJson(1)]);
  await vi.waitFor(
    async () => expect(await listParked(pool)).toMatchObject([{ reason: "user_id_unexpected" }]),
    5_000,
  );
  expect(effects).toEqual([]);
});

test("another service cannot use up an event's id: ids count per source", async () => {
  const { handle, effects } = recorder();
  const genuine = eventJson(1);
  const forged = JSON.parse(genuine) as { source: string };
  await startConsumer(handle);
  await publish([JSON.stringify({ ...forged, source: "/medvault/records/other" })]);
  await publish([genuine]);
  await vi.waitFor(() => expect(effects).toEqual([1, 1]), 5_000);
});

test("an event that its handler refuses is parked alone after three tries, and can be re-driven", async () => {
  let isBroken = true;
  let tries = 0;
  const { handle, effects } = recorder();
  const refuse: EventHandler = async (events, tx) => {
    if (isBroken && events.some((event) => numberOf(event) === 2)) {
      tries += events.length === 1 ? 1 : 0;
      throw Object.assign(new Error("contains Jane Doe"), { code: "patient_unknown" });
    }
    await handle(events, tx);
  };
  await startConsumer(refuse);
  await publish([`[${eventJson(1)},${eventJson(2)},${eventJson(3)}]`], BATCH_CONTENT_TYPE);
  await vi.waitFor(() => expect(effects.toSorted()).toEqual([1, 3]), 5_000);
  await vi.waitFor(
    async () => expect(await listParked(pool)).toMatchObject([{ reason: "patient_unknown" }]),
    5_000,
  );
  expect(tries).toBe(3);
  expect(JSON.stringify(logger.lines)).not.toContain("Jane Doe");
  const id = (await listParked(pool))[0]?.id ?? "";
  expect(await redriveParked(pool, id)).toBe(true);
  await vi.waitFor(
    async () => expect(await listParked(pool)).toMatchObject([{ attempts: 2, redriveAt: null }]),
    10_000,
  );
  isBroken = false;
  await redriveParked(pool, id);
  await vi.waitFor(async () => expect(await listParked(pool)).toEqual([]), 10_000);
  expect(effects.toSorted()).toEqual([1, 2, 3]);
  expect(await redriveParked(pool, id)).toBe(false);
}, 30_000);

test("the database cut away: no message is used up, consumption stops, and goes on afterwards", async () => {
  const proxy = await createProxy(database.url("files"));
  const cutPool = createPool({ connectionString: proxy.url, applicationName: "test", connectTimeoutMs: 300 });
  const { handle, effects } = recorder();
  const consumer = await startConsumer(handle, { pool: cutPool });
  await publish([eventJson(0)]);
  await vi.waitFor(() => expect(effects).toEqual([0]), 5_000);
  proxy.cut();
  await publish(Array.from({ length: 200 }, (_, i) => eventJson(i + 1)));
  await vi.waitFor(() => expect(consumer.state()).toBe("paused"), 5_000);
  await publish(Array.from({ length: 100 }, (_, i) => eventJson(i + 201)));
  proxy.restore();
  await vi.waitFor(() => expect(effects).toHaveLength(301), 15_000);
  expect(effects).toEqual(Array.from({ length: 301 }, (_, i) => i));
  expect(consumer.state()).toBe("consuming");
  expect(await listParked(pool)).toEqual([]);
  expect(await queueDepth()).toBe(0);
  await consumer.stop();
  await cutPool.end();
  await proxy.close();
}, 30_000);

test("something else that the handler needs is away: it waits too, and parks nothing", async () => {
  let isAway = true;
  const { handle, effects } = recorder();
  const consumer = await startConsumer(async (events, tx) => {
    if (isAway) throw Object.assign(new Error("store away"), { kind: "unavailable" });
    await handle(events, tx);
  });
  await publish([eventJson(1)]);
  await vi.waitFor(() => expect(consumer.state()).toBe("paused"), 5_000);
  isAway = false;
  await vi.waitFor(() => expect(effects).toEqual([1]), 5_000);
  expect(await listParked(pool)).toEqual([]);
});

test("the broker cut away: the consumer comes back by itself, and each event took effect once", async () => {
  const proxy = await createProxy(testBroker.url("files"));
  const { handle, effects } = recorder();
  await startConsumer(handle, { url: proxy.url });
  await publish(Array.from({ length: 50 }, (_, i) => eventJson(i)));
  await vi.waitFor(() => expect(effects.length).toBeGreaterThan(0), 5_000);
  proxy.cut();
  await publish(Array.from({ length: 50 }, (_, i) => eventJson(i + 50)));
  proxy.restore();
  await vi.waitFor(() => expect(effects).toHaveLength(100), 15_000);
  expect(effects.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  await proxy.close();
}, 30_000);

test("a message that kills its consumer every time ends among the parked ones, not in a loop", async () => {
  const setUp = await startConsumer(async () => {});
  await setUp.stop();
  await publish([eventJson(1)]);
  const connection = await connect(testBroker.url("files"));
  for (let delivery = 0; delivery < 22; delivery++) {
    const victim = await connection.createChannel();
    if ((await victim.get(QUEUE)) === false) {
      await victim.close();
      break;
    }
    await victim.close();
  }
  await connection.close();
  await startConsumer(async () => {});
  await vi.waitFor(
    async () =>
      expect(await listParked(pool)).toMatchObject([{ reason: "delivery_limit", userId: "records" }]),
    10_000,
  );
}, 30_000);

test("the queue deleted under the consumer is declared anew", async () => {
  const { handle, effects } = recorder();
  const consumer = await startConsumer(handle);
  await testBroker.manage("DELETE", `queues/{vhost}/${QUEUE}`);
  await vi.waitFor(() => expect(consumer.state()).toBe("consuming"), 5_000);
  await vi.waitFor(async () => {
    await publish([eventJson(1)]);
  }, 5_000);
  await vi.waitFor(() => expect(effects).toEqual([1]), 5_000);
});

test("old inbox rows are forgotten", async () => {
  const { pruneInbox } = await import("./inbox.store.ts");
  await inTransaction(pool, (tx) =>
    tx.query(
      `insert into inbox (consumer, source, event_id, received_at)
       values ('c', 's', gen_random_uuid(), now() - interval '91 days'), ('c', 's', gen_random_uuid(), now())`,
    ),
  );
  expect(await pruneInbox(pool, 90)).toBe(1);
});
