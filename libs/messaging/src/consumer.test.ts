import type { Tx } from "@medvault/postgres";
import { expect, test, vi } from "vitest";
import { eventJson, givenConsumption, recorder } from "../test/consumer-harness.ts";
import { numberOf } from "../test/harness.ts";
import type { EventHandler } from "./effect.ts";
import { listParked, redriveParked } from "./parked.ts";
import { BATCH_CONTENT_TYPE } from "./publisher.ts";

const { pool, logger, publish, publishAnonymously, startConsumer, queueDepth, untilParked } =
  await givenConsumption();

test("events take effect once, singly or in batches, and leave the queue", async () => {
  const { handle, effects } = recorder();
  await startConsumer(handle);
  await publish([eventJson(1)]);
  await publish([`[${eventJson(2)},${eventJson(3)}]`], BATCH_CONTENT_TYPE);
  await vi.waitFor(() => expect(effects).toEqual([1, 2, 3]), 5_000);
  expect(await queueDepth()).toBe(0);
});

test("messages that come one after another share transactions, which begin 15 ms apart", async () => {
  const { handle, effects } = recorder();
  let batches = 0;
  await startConsumer(async (events, tx, refuse) => {
    batches += 1;
    await handle(events, tx, refuse);
  });
  const begun = performance.now();
  for (let n = 1; n <= 40; n++) await publish([eventJson(n)]);
  await vi.waitFor(() => expect(effects).toHaveLength(40), 5_000);
  expect(batches).toBeLessThanOrEqual(2 + (performance.now() - begun) / 15);
  expect(effects).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
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
  const foreign = eventJson(9).replaceAll("/medvault/records", "/medvault/auth");
  const wrongType = eventJson(9).replace("medvault.records.thing", "medvault.auth.thing");
  const withPhi = eventJson(9).replace('"fields":[]', '"fields":[],"note":"x"');
  await publish(["not json", "[]"], BATCH_CONTENT_TYPE);
  await publish([eventJson(9)], "text/plain");
  await publish(
    [`[${eventJson(1)},${foreign},${wrongType},${withPhi},7,${eventJson(2)}]`],
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

test("a message without a user id is poison: its sender is not known", async () => {
  const { handle, effects } = recorder();
  await startConsumer(handle);
  await publishAnonymously(eventJson(1));
  await untilParked([{ reason: "user_id_missing" }]);
  expect(effects).toEqual([]);
});

test("a sender that this consumer does not expect is parked", async () => {
  const { handle, effects } = recorder();
  await startConsumer(handle, { allowedSources: ["auth"] });
  await publish([eventJson(1)]);
  await untilParked([{ reason: "user_id_unexpected" }]);
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
  const broken: EventHandler = async (events, tx, refuse) => {
    if (isBroken && events.some((event) => numberOf(event) === 2)) {
      tries += events.length === 1 ? 1 : 0;
      throw Object.assign(new Error("contains Jane Doe"), { code: "patient_unknown" });
    }
    await handle(events, tx, refuse);
  };
  await startConsumer(broken);
  await publish([`[${eventJson(1)},${eventJson(2)},${eventJson(3)}]`], BATCH_CONTENT_TYPE);
  await vi.waitFor(() => expect(effects.toSorted()).toEqual([1, 3]), 5_000);
  await untilParked([{ reason: "patient_unknown" }]);
  expect(tries).toBe(3);
  expect(JSON.stringify(logger.lines)).not.toContain("Jane Doe");
  const id = (await listParked(pool))[0]?.id ?? "";
  expect(await redriveParked(pool, id)).toBe(true);
  await untilParked([{ attempts: 2, redriveAt: null }], 10_000);
  isBroken = false;
  await redriveParked(pool, id);
  await vi.waitFor(async () => expect(await listParked(pool)).toEqual([]), 10_000);
  expect(effects.toSorted()).toEqual([1, 2, 3]);
  expect(await redriveParked(pool, id)).toBe(false);
}, 30_000);

test("what a handler refuses is parked in its transaction, the others take effect; re-driven it stays until it is taken", async () => {
  let isRefused = true;
  const { handle, effects } = recorder();
  const choosy: EventHandler = async (events, tx, refuse) => {
    const refused = events.filter((event) => isRefused && numberOf(event) === 2);
    for (const event of refused) refuse(event, "number_far_ahead");
    const taken = events.filter((event) => !refused.includes(event));
    if (taken.length > 0) await handle(taken, tx, refuse);
  };
  await startConsumer(choosy);
  await publish([`[${eventJson(1)},${eventJson(2)},${eventJson(3)}]`], BATCH_CONTENT_TYPE);
  await vi.waitFor(() => expect(effects).toEqual([1, 3]), 5_000);
  await untilParked([{ reason: "number_far_ahead", attempts: 1 }]);
  const id = (await listParked(pool))[0]?.id ?? "";
  await redriveParked(pool, id);
  await untilParked([{ attempts: 2, redriveAt: null }], 10_000);
  isRefused = false;
  await redriveParked(pool, id);
  await vi.waitFor(async () => expect(await listParked(pool)).toEqual([]), 10_000);
  expect(effects).toEqual([1, 3, 2]);
}, 30_000);
