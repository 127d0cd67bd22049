import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createProxy, type TestProxy } from "../../testing/src/index.ts";
import { createScratch } from "../test/harness.ts";
import { withDeadline, withoutDeadline } from "./deadline.ts";
import { DatabaseUnavailable } from "./errors.ts";
import { inTransaction } from "./transaction.ts";

const scratch = await createScratch(process.env.MEDVAULT_TEST_DATABASE_URL);
beforeAll(() => scratch.superuser.query("create table counters (id int primary key, n int not null)"));
afterAll(() => scratch.drop());

/** How long `work` took to be refused as DatabaseUnavailable. */
async function refusedAfterMs(work: Promise<unknown>): Promise<number> {
  const since = performance.now();
  await expect(work).rejects.toBeInstanceOf(DatabaseUnavailable);
  return performance.now() - since;
}

async function givenFrozen(how: "stall" | "swallow") {
  const proxy: TestProxy = await createProxy(scratch.superuserUrl);
  const pool = scratch.pool({ connectionString: proxy.url, connectTimeoutMs: 500 });
  await Promise.all(Array.from({ length: 5 }, () => pool.query("select pg_sleep(0.05)")));
  expect(pool.idleCount).toBe(5);
  return {
    proxy,
    pool,
    freeze: () => proxy[how](),
    async end() {
      await pool.end();
      await proxy.close();
    },
  };
}

test.each(["stall", "swallow"] as const)(
  "a database that is frozen (%s) holds nobody beyond the deadline, wherever they are, and nothing of it stays",
  async (how) => {
    await scratch.superuser.query("truncate counters; insert into counters values (1, 0)");
    const { proxy, pool, freeze, end } = await givenFrozen(how);
    const touched = Promise.withResolvers<void>();
    const inTheMiddle = withDeadline(1_000, () =>
      inTransaction(pool, async (tx) => {
        await tx.query("update counters set n = n + 1 where id = $1", [1]);
        touched.resolve();
        await frozen.promise;
        await tx.query("select 1");
      }),
    );
    const frozen = Promise.withResolvers<void>();
    await touched.promise;
    freeze();
    frozen.resolve();
    const waits = await Promise.all([
      refusedAfterMs(inTheMiddle),
      // After a black hole some connections are dead that nobody has found to be so.
      ...Array.from({ length: how === "stall" ? 20 : 1 }, () =>
        refusedAfterMs(withDeadline(1_000, () => pool.query("select 1"))),
      ),
      refusedAfterMs(withDeadline(1_000, () => inTransaction(pool, (tx) => tx.query("select 1")))),
    ]);
    expect(Math.max(...waits)).toBeLessThan(2_500);
    proxy.restore();
    const since = performance.now();
    expect((await withDeadline(2_000, () => pool.query("select 1 as one"))).rows).toEqual([{ one: 1 }]);
    // The row that the transaction held is free, and its change is not there.
    await inTransaction(pool, (tx) => tx.query("update counters set n = n + 10 where id = 1"));
    expect(performance.now() - since).toBeLessThan(2_000);
    expect((await pool.query("select n from counters")).rows).toEqual([{ n: 10 }]);
    await Promise.all(Array.from({ length: 30 }, () => pool.query("select 1")));
    expect(pool.totalCount).toBe(pool.idleCount);
    expect([pool.totalCount <= 10, pool.waitingCount]).toEqual([true, 0]);
    await end();
  },
);

test("a deadline is of all statements together, and what is left at its end is enough for a commit", async () => {
  await scratch.superuser.query("truncate counters; insert into counters values (2, 0)");
  const pool = scratch.pool();
  const tooMuch = withDeadline(700, () =>
    inTransaction(pool, async (tx) => {
      for (let i = 0; i < 9; i++) await tx.query("select pg_sleep(0.3)");
    }),
  );
  expect(await refusedAfterMs(tooMuch)).toBeLessThan(2_000);
  await withDeadline(200, () =>
    inTransaction(pool, async (tx) => {
      await tx.query("update counters set n = 1 where id = 2");
      await delay(300);
    }),
  );
  expect((await pool.query("select n from counters where id = 2")).rows).toEqual([{ n: 1 }]);
});

test("a deadline is its owner's alone: not of who waits for the connection, nor of what goes on afterwards", async () => {
  const pool = scratch.pool({ max: 1 });
  const lent = Promise.withResolvers<void>();
  const owner = withDeadline(100, () =>
    inTransaction(pool, async (tx) => {
      await tx.query("select 1");
      lent.resolve();
      await delay(300);
    }),
  );
  await lent.promise;
  const waiting = pool.query("select pg_sleep(0.5)");
  await owner;
  await waiting;
  let afterwards: Promise<unknown> = Promise.resolve();
  let outside: Promise<unknown> = Promise.resolve();
  const wide = scratch.pool();
  await withDeadline(50, async () => {
    outside = withoutDeadline(() => wide.query("select pg_sleep(0.5)"));
    afterwards = delay(100).then(() => wide.query("select pg_sleep(0.5)"));
  });
  await Promise.all([afterwards, outside]);
});
