import { expect, test, vi } from "vitest";
import type { TestProxy } from "../../testing/src/index.ts";
import { cuttablePool, numberOf, proxyTo } from "../test/harness.ts";
import { givenRelaying } from "../test/relay-harness.ts";
import { readLag } from "./relay.store.ts";

const { audit, broker, database, emitted, logger, pool, startRelay } = await givenRelaying();

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

/** Emits in five rounds and cuts each after so many bytes; every event arrives under one number. */
async function cutAgainAndAgain(proxy: TestProxy, events: number, bytes: (round: number) => number) {
  for (let round = 0; round < 5; round++) {
    const until = proxy.bytesSent() + bytes(round);
    await emitted(round * events + 1, (round + 1) * events);
    const midway = () => expect(proxy.bytesSent()).toBeGreaterThan(until);
    await vi.waitFor(midway, { timeout: 10_000, interval: 1 });
    proxy.cut();
    proxy.restore();
  }
  await everythingSent(5 * events);
  assertGapless(5 * events);
}

test("the broker is cut again and again in mid-publish: every event arrives under one number", async () => {
  const proxy = await proxyTo(broker.url("records"));
  startRelay({ url: proxy.url, batchRows: 200 });
  await cutAgainAndAgain(proxy, 400, () => 20_000);
}, 60_000);

test("the broker hangs without a word: events wait, and arrive when it speaks again", async () => {
  const proxy = await proxyTo(broker.url("records"));
  startRelay({ url: proxy.url });
  await emitted(1, 10);
  await everythingSent(10);
  proxy.stall();
  await emitted(11, 20);
  await vi.waitFor(
    async () => expect((await pool.query("select from relay_batches")).rowCount).toBe(1),
    5_000,
  );
  expect(await readLag(pool)).toMatchObject({ pending: 10 });
  proxy.restore();
  await everythingSent(20);
  assertGapless(20);
}, 30_000);

test("Postgres is cut again and again in mid-batch: every event arrives under one number", async () => {
  const { proxy, cutPool } = await cuttablePool(database.url("records"));
  startRelay({ pool: cutPool, batchRows: 50 });
  await cutAgainAndAgain(proxy, 200, (round) => 500 + round * 700);
}, 60_000);

test("a broker slower than the lease does not make two relays take it from each other", async () => {
  const proxy = await proxyTo(broker.url("records"));
  startRelay({ url: proxy.url, leaseMs: 300 });
  await emitted(1, 1);
  await everythingSent(1);
  const { rows: before } = await pool.query<{ fence: number }>("select fence from producer");
  startRelay({ leaseMs: 300 });
  proxy.stall();
  await emitted(2, 10);
  const until = performance.now() + 1_000;
  await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(until), 2_000);
  proxy.restore();
  await everythingSent(10);
  const { rows: after } = await pool.query<{ fence: number }>("select fence from producer");
  expect(after).toEqual(before);
  expect(audit.events()).toHaveLength(10);
}, 20_000);

test("no broker at all: emitting goes on, the relay stops promptly, and the next one sends everything", async () => {
  const nowhere = new URL(broker.url("records"));
  nowhere.port = "9";
  const lost = startRelay({ url: nowhere.href });
  await emitted(1, 30);
  const started = performance.now();
  await lost.stop();
  expect(performance.now() - started).toBeLessThan(5_000);
  startRelay();
  await everythingSent(30);
});

test("stop sends what is there before it ends, and lets another relay work at once", async () => {
  const first = startRelay({ leaseMs: 60_000 });
  await emitted(1, 1);
  await everythingSent(1);
  await emitted(2, 300);
  await first.stop();
  await everythingSent(300);
  startRelay();
  await emitted(301, 310);
  await everythingSent(310);
  assertGapless(310);
});

test("numbered rows that were deleted by hand show as a gap, and are reported", async () => {
  await emitted(1, 3);
  const dying = startRelay({
    pool: Object.assign(Object.create(pool), {
      query: (text: string, values: unknown[]) =>
        text.includes("delete from outbox") ? Promise.reject(new Error("died")) : pool.query(text, values),
    }),
    leaseMs: 200,
  });
  await vi.waitFor(() => expect(audit.events().length).toBeGreaterThanOrEqual(3), 5_000);
  await dying.stop();
  await pool.query("delete from outbox where event->>'subject' = 'thing/2'");
  logger.lines.length = 0;
  startRelay();
  await vi.waitFor(
    () =>
      expect(logger.lines).toContainEqual(
        expect.objectContaining({ fields: { code: "outbox_rows_missing", count: 1 } }),
      ),
    5_000,
  );
});
