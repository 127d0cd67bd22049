import { DatabaseUnavailable } from "@medvault/postgres";
import { afterAll, beforeEach, expect, test } from "vitest";
import { createTestDatabase, drainedEvents } from "../../testing/src/index.ts";
import { cuttablePool, numbered, numberOf } from "../test/harness.ts";
import { createAppender } from "./appender.ts";

const database = await createTestDatabase(["records"]);
const pool = database.pool("records");
afterAll(() => database.drop());
beforeEach(() => drainedEvents(pool));

test("append resolves when the event is committed, and many at once share few statements", async () => {
  let statements = 0;
  const counting = Object.assign(Object.create(pool), {
    query: (...args: unknown[]) => {
      statements += 1;
      return Reflect.apply(pool.query, pool, args);
    },
  });
  const appender = createAppender(counting, "records");
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => appender.append(numbered(n))));
  const events = await drainedEvents(pool);
  expect(new Set(events.map(numberOf)).size).toBe(1_000);
  expect(statements).toBeLessThan(10);
  await appender.close();
});

test("a full queue refuses with Unavailable, and loses nothing that it took", async () => {
  const appender = createAppender(pool, "records", { maxQueuedEvents: 10 });
  const answers = await Promise.allSettled(
    Array.from({ length: 15 }, (_, n) => appender.append(numbered(n))),
  );
  const refused = answers.filter((answer) => answer.status === "rejected");
  expect(refused).toHaveLength(5);
  expect(refused[0]).toMatchObject({ reason: { code: "unavailable", kind: "unavailable" } });
  expect(await drainedEvents(pool)).toHaveLength(10);
  await appender.append(numbered(99));
  expect(await drainedEvents(pool)).toHaveLength(1);
});

test("Postgres cut away: those who wait get the error, and it works again afterwards", async () => {
  const { proxy, cutPool } = await cuttablePool(database.url("records"));
  const appender = createAppender(cutPool, "records");
  await appender.append(numbered(1));
  proxy.cut();
  await expect(appender.append(numbered(2))).rejects.toBeInstanceOf(DatabaseUnavailable);
  proxy.restore();
  await appender.append(numbered(3));
  expect((await drainedEvents(pool)).map(numberOf)).toEqual([1, 3]);
  await appender.close();
});

test("close waits for what it took, and takes no more", async () => {
  const appender = createAppender(pool, "records");
  const taken = appender.append(numbered(1), numbered(2));
  await appender.close();
  await expect(appender.append(numbered(3))).rejects.toMatchObject({ code: "unavailable" });
  await taken;
  expect((await drainedEvents(pool)).map(numberOf)).toEqual([1, 2]);
});
