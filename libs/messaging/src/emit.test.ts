import { CloudEvent } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import { afterAll, beforeEach, expect, test } from "vitest";
import { createTestDatabase, drainedEvents } from "../../testing/src/index.ts";
import { numbered } from "../test/harness.ts";
import { emit, emitWith } from "./emit.ts";
import { MAX_EVENT_BYTES } from "./envelope.ts";
import { onEmitted } from "./wake.ts";

const database = await createTestDatabase(["records"]);
const pool = database.pool("records");
afterAll(() => database.drop());
beforeEach(() => drainedEvents(pool));

test("an event stands in the outbox as contracts has it, in the order of the call", async () => {
  await inTransaction(pool, (tx) => emit(tx, "records", numbered(1), numbered(2), numbered(3)));
  const events = await drainedEvents(pool);
  expect(events.map((event) => CloudEvent.parse(event).data.details?.n)).toEqual([1, 2, 3]);
  expect(events[0]).toMatchObject({ source: "/medvault/records", specversion: "1.0" });
});

test("a change that rolls back leaves no event, and wakes no relay", async () => {
  let woken = 0;
  const forget = onEmitted("records", () => woken++);
  const failure = inTransaction(pool, async (tx) => {
    await emit(tx, "records", numbered(1));
    throw new Error("the change failed");
  });
  await expect(failure).rejects.toThrow("the change failed");
  expect(await drainedEvents(pool)).toEqual([]);
  expect(woken).toBe(0);
  await inTransaction(pool, (tx) => emit(tx, "records", numbered(2)));
  expect(woken).toBe(1);
  forget();
});

test("a change and its events in one statement: nothing changed, nothing announced, and no relay is woken", async () => {
  let woken = 0;
  const forget = onEmitted("records", () => woken++);
  await inTransaction(pool, (tx) => emit(tx, "records", numbered(1)));
  const drop = {
    ctes: "gone as (delete from outbox where type = $1 returning id)",
    done: "gone",
    values: [numbered(1).type],
  };
  expect(await emitWith(pool, "records", [numbered(2), numbered(3)], drop)).toBe(true);
  const events = await drainedEvents(pool);
  expect(events.map((event) => event.data.details?.n)).toEqual([2, 3]);
  expect(await emitWith(pool, "records", [numbered(4)], drop)).toBe(false);
  expect(await drainedEvents(pool)).toEqual([]);
  expect(woken).toBe(2);
  forget();
});

test("an event in another service's name is refused before anything is written", async () => {
  const foreign = { ...numbered(1), type: "medvault.auth.user.created.v1" };
  await expect(inTransaction(pool, (tx) => emit(tx, "records", numbered(1), foreign))).rejects.toMatchObject({
    code: "event_refused",
  });
  expect(await drainedEvents(pool)).toEqual([]);
});

test("an event that contracts does not know is refused, and its values are not in the error", async () => {
  const event = numbered(1);
  const leaky = { ...event, data: { ...event.data, details: { "Jane Doe": "secret-note" } } };
  const refusal = inTransaction(pool, (tx) => emit(tx, "records", leaky));
  await expect(refusal).rejects.toMatchObject({ code: "event_refused" });
  await expect(refusal).rejects.not.toThrow(/secret-note/);
});

test("an event beyond the limit is refused", async () => {
  const event = numbered(1);
  const details = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, "x".repeat(200)]));
  const large = { ...event, data: { ...event.data, details } };
  expect(JSON.stringify(large).length).toBeGreaterThan(MAX_EVENT_BYTES);
  await expect(inTransaction(pool, (tx) => emit(tx, "records", large))).rejects.toThrow("too large");
});

test("a transaction has its xid before it draws a position: the relay's floor relies on it", async () => {
  const { rows } = await pool.query<{ "QUERY PLAN": string }>(
    "explain verbose insert into outbox (id, audience, type, event) values (gen_random_uuid(), 'audit', 't', '{}')",
  );
  const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
  expect(plan.indexOf("pg_current_xact_id")).toBeGreaterThan(-1);
  expect(plan.indexOf("pg_current_xact_id")).toBeLessThan(plan.indexOf("nextval"));
});
