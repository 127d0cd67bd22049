import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createProxy } from "../../testing/src/index.ts";
import { createScratch } from "../test/harness.ts";
import { DatabaseUnavailable, TransactionAborted } from "./errors.ts";
import { ddl } from "./identifiers.ts";
import { afterCommit, inTransaction, withClient } from "./transaction.ts";

const SERVER = process.env.MEDVAULT_TEST_DATABASE_URL;
const scratch = await createScratch(SERVER);
const pool = scratch.pool();

beforeAll(() => scratch.superuser.query("create table counters (id int primary key, n int not null)"));
beforeEach(() => scratch.superuser.query("truncate counters; insert into counters values (1, 0), (2, 0)"));
afterAll(() => scratch.drop());

async function counter(id: number): Promise<number> {
  const { rows } = await pool.query<{ n: number }>("select n from counters where id = $1", [id]);
  return rows[0]?.n ?? -1;
}

test("work that returns is committed, work that throws is rolled back, and the client goes back", async () => {
  const small = scratch.pool({ max: 1 });
  await inTransaction(small, (tx) => tx.query("update counters set n = 1 where id = 1"));
  const failing = inTransaction(small, async (tx) => {
    await tx.query("update counters set n = 2 where id = 1");
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(await counter(1)).toBe(1);
  expect(small.idleCount).toBe(1);
  expect(small.waitingCount).toBe(0);
});

test("deadlocks are run again until both have happened", async () => {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const step = async (one: number, other: number, mine: PromiseWithResolvers<void>, theirs: Promise<void>) =>
    inTransaction(pool, async (tx) => {
      await tx.query("update counters set n = n + 1 where id = $1", [one]);
      mine.resolve();
      await theirs;
      await tx.query("update counters set n = n + 1 where id = $1", [other]);
    });
  await Promise.all([step(1, 2, first, second.promise), step(2, 1, second, first.promise)]);
  expect([await counter(1), await counter(2)]).toEqual([2, 2]);
});

test("a statement alone that a deadlock ended (as when a restore swaps what it reads) is run again, once", async () => {
  await scratch.superuser.query("create sequence tries");
  const ended = (until: number) =>
    `do $$ begin if nextval('tries') < ${until} then raise exception 'x' using errcode = '40P01'; end if; end $$`;
  await pool.query(ended(2));
  await expect(pool.query(ended(9))).rejects.toMatchObject({ code: "40P01" });
  expect((await pool.query("select last_value from tries")).rows).toEqual([{ last_value: 4 }]);
});

test("a serialization failure is run again three times at most", async () => {
  let runs = 0;
  const failing = inTransaction(pool, async (tx) => {
    runs += 1;
    await tx.query("do $$ begin raise exception 'x' using errcode = '40001'; end $$");
  });
  await expect(failing).rejects.toMatchObject({ code: "40001" });
  expect(runs).toBe(4);
});

test("a swallowed error does not pass for a commit", async () => {
  const lying = inTransaction(pool, async (tx) => {
    await tx.query("update counters set n = 5 where id = 1");
    await tx.query("select 1 / 0").catch(() => {});
  });
  await expect(lying).rejects.toBeInstanceOf(TransactionAborted);
  expect(await counter(1)).toBe(0);
});

test("what is to happen after the commit happens then, once, and never after a rollback", async () => {
  const calls: string[] = [];
  let runs = 0;
  await inTransaction(pool, async (tx) => {
    runs += 1;
    afterCommit(tx, () => calls.push(`run ${runs}`));
    afterCommit(tx, () => {
      throw new Error("a broken hook");
    });
    if (runs === 1) await tx.query("do $$ begin raise exception 'x' using errcode = '40P01'; end $$");
    expect(calls).toEqual([]);
  });
  expect(calls).toEqual(["run 2"]);
  await inTransaction(pool, async (tx) => {
    afterCommit(tx, () => calls.push("never"));
    throw new Error("no");
  }).catch(() => {});
  expect(calls).toEqual(["run 2"]);
});

test("a connection killed inside a transaction is DatabaseUnavailable, and the pool recovers", async () => {
  const small = scratch.pool({ max: 1 });
  const killed = inTransaction(small, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>("select pg_backend_pid() as pid");
    await scratch.superuser.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
    await tx.query("select 1");
  });
  await expect(killed).rejects.toMatchObject({
    code: "unavailable",
    kind: "unavailable",
    name: "DatabaseUnavailable",
  });
  expect(await inTransaction(small, async () => "again")).toBe("again");
});

test("an idle connection killed does not end the process, nor a connection that waits inside a transaction", async () => {
  const small = scratch.pool({ max: 1 });
  const { rows } = await small.query<{ pid: number }>("select pg_backend_pid() as pid");
  await scratch.superuser.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
  await expect
    .poll(() =>
      small.query("select 1 as one").then(
        (r) => r.rows,
        () => [],
      ),
    )
    .toEqual([{ one: 1 }]);
});

test("no server, a pool that is used up, and a statement beyond its limit are DatabaseUnavailable", async () => {
  const nowhere = scratch.pool({ connectionString: "postgres://a:b@127.0.0.1:9/x" });
  await expect(inTransaction(nowhere, async () => 1)).rejects.toBeInstanceOf(DatabaseUnavailable);
  await expect(nowhere.query("select 1")).rejects.toBeInstanceOf(DatabaseUnavailable);
  const small = scratch.pool({ max: 1, connectTimeoutMs: 500, statementTimeoutMs: 500 });
  await inTransaction(small, async () => {
    await expect(inTransaction(small, async () => 1)).rejects.toBeInstanceOf(DatabaseUnavailable);
  });
  await expect(small.query("select pg_sleep(5)")).rejects.toBeInstanceOf(DatabaseUnavailable);
  const impatient = scratch.pool({ lockTimeoutMs: 50 });
  await inTransaction(pool, async (tx) => {
    await tx.query("select from counters where id = 1 for update");
    const waiting = inTransaction(impatient, (other) =>
      other.query("select from counters where id = 1 for update"),
    );
    await expect(waiting).rejects.toBeInstanceOf(DatabaseUnavailable);
  });
});

test("a server that falls silent is DatabaseUnavailable within the limits, not one limit after the other", async () => {
  const proxy = await createProxy(scratch.superuserUrl);
  const silent = scratch.pool({
    connectionString: proxy.url,
    statementTimeoutMs: 100,
    connectTimeoutMs: 300,
  });
  const started = performance.now();
  const work = inTransaction(silent, async (tx) => {
    await tx.query("select 1");
    proxy.stall();
    await tx.query("select 2");
  });
  await expect(work).rejects.toBeInstanceOf(DatabaseUnavailable);
  expect(performance.now() - started).toBeLessThan(3_500);
  await expect(silent.query("select 1")).rejects.toBeInstanceOf(DatabaseUnavailable);
  proxy.restore();
  expect((await silent.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  await silent.end();
  await proxy.close();
});

test("too many connections is DatabaseUnavailable", async () => {
  const role = `medvault_test_one_${Date.now()}`;
  await scratch.superuser.query(
    ddl("create role %I login connection limit 1 password %L", role, "one-connection-only"),
  );
  const many = scratch.pool({ connectionString: scratch.url(role, "one-connection-only"), max: 2 });
  await inTransaction(many, async () => {
    await expect(many.query("select 1")).rejects.toBeInstanceOf(DatabaseUnavailable);
  });
  await many.end();
  await scratch.superuser.query(ddl("drop role %I", role));
});

test("a constraint's error keeps its code, and errors of withClient close the connection", async () => {
  await expect(pool.query("insert into counters values (1, 1)")).rejects.toMatchObject({ code: "23505" });
  const small = scratch.pool({ max: 1 });
  const setting = withClient(small, async (client) => {
    await client.query("set statement_timeout = 1");
    throw new Error("no");
  });
  await expect(setting).rejects.toThrow("no");
  expect((await small.query("show statement_timeout")).rows).toEqual([{ statement_timeout: "10s" }]);
});

test("types come back as promised", async () => {
  const { rows } = await pool.query(
    `select date '2024-02-29' as d, array[date '2024-02-29'] as ds, 9007199254740991::bigint as i,
            1.10::numeric as n, timestamptz '2024-01-01T00:00:00Z' as t, array[1::bigint] as b,
            timestamp '2024-01-01 00:00:00' as ts`,
  );
  expect(rows).toEqual([
    {
      d: "2024-02-29",
      ds: ["2024-02-29"],
      i: 9007199254740991,
      n: "1.10",
      t: new Date("2024-01-01T00:00:00Z"),
      b: ["1"],
      ts: "2024-01-01 00:00:00",
    },
  ]);
  await expect(pool.query("select 9007199254740992::bigint as i")).rejects.toMatchObject({
    name: "UnsafeInteger",
  });
});

test("the schema option sets the search path of both schemas", async () => {
  const { rows } = await scratch.pool({ schema: "records" }).query("show search_path");
  expect(rows).toEqual([{ search_path: '"records","records_sys"' }]);
});
