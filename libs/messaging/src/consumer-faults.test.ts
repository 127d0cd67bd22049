import { inTransaction } from "@medvault/postgres";
import { connect } from "amqplib";
import { expect, test, vi } from "vitest";
import { eventJson, givenConsumption, QUEUE, recorder } from "../test/consumer-harness.ts";
import { cuttablePool, proxyTo } from "../test/harness.ts";
import { pruneInbox } from "./inbox.store.ts";
import { listParked } from "./parked.ts";

const {
  database,
  pool,
  broker: testBroker,
  publish,
  startConsumer,
  queueDepth,
  untilParked,
} = await givenConsumption();

test("the database cut away: no message is used up, consumption stops, and goes on afterwards", async () => {
  const { proxy, cutPool } = await cuttablePool(database.url("files"), 300);
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
}, 30_000);

test("something else that the handler needs is away: it waits too, and parks nothing", async () => {
  let isAway = true;
  const { handle, effects } = recorder();
  const consumer = await startConsumer(async (events, tx, refuse) => {
    if (isAway) throw Object.assign(new Error("store away"), { kind: "unavailable" });
    await handle(events, tx, refuse);
  });
  await publish([eventJson(1)]);
  await vi.waitFor(() => expect(consumer.state()).toBe("paused"), 5_000);
  isAway = false;
  await vi.waitFor(() => expect(effects).toEqual([1]), 5_000);
  expect(await listParked(pool)).toEqual([]);
});

test("the broker cut away: the consumer comes back by itself, and each event took effect once", async () => {
  const proxy = await proxyTo(testBroker.url("files"));
  const { handle, effects } = recorder();
  await startConsumer(handle, { url: proxy.url });
  await publish(Array.from({ length: 50 }, (_, i) => eventJson(i)));
  await vi.waitFor(() => expect(effects.length).toBeGreaterThan(0), 5_000);
  proxy.cut();
  await publish(Array.from({ length: 50 }, (_, i) => eventJson(i + 50)));
  proxy.restore();
  await vi.waitFor(() => expect(effects).toHaveLength(100), 15_000);
  expect(effects.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
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
  await untilParked([{ reason: "delivery_limit", userId: "records" }], 10_000);
}, 30_000);

test("the queue deleted under the consumer is declared again", async () => {
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
  await inTransaction(pool, (tx) =>
    tx.query(
      `insert into inbox (consumer, source, event_id, received_at)
       values ('c', 's', gen_random_uuid(), now() - interval '91 days'), ('c', 's', gen_random_uuid(), now())`,
    ),
  );
  expect(await pruneInbox(pool, 90)).toBe(1);
});
