import type pg from "pg";
import { afterAll, beforeEach, expect, test } from "vitest";
import { createScratch } from "../test/harness.ts";
import { PLANNED_EACH_TIME } from "./prepared.ts";
import { inTransaction } from "./transaction.ts";

const SERVER = process.env.MEDVAULT_TEST_DATABASE_URL;
const scratch = await createScratch(SERVER);
afterAll(() => scratch.drop());
beforeEach(async () => {
  await scratch.superuser.query("drop table if exists things");
  await scratch.superuser.query("create table things (id int primary key, size int not null)");
  await scratch.superuser.query("insert into things values (1, 10)");
});

const poolOf = (query = ""): pg.Pool =>
  scratch.pool({ connectionString: `${scratch.superuserUrl}${query}`, max: 1, prepared: true });
const SIZE = "select size from things where id = $1";
const sizeOf = async (db: { query: pg.Pool["query"] }) => (await db.query<{ size: unknown }>(SIZE, [1])).rows;
async function prepared(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ statement: string }>("select statement from pg_prepared_statements");
  return rows.map(({ statement }) => statement);
}

test("a statement with values is prepared once a connection, under a name of its text's hash; others are not", async () => {
  const pool = poolOf();
  for (let i = 0; i < 3; i++) expect(await sizeOf(pool)).toEqual([{ size: 10 }]);
  await inTransaction(pool, sizeOf);
  const { rows } = await pool.query<{ name: string }>("select name, statement from pg_prepared_statements");
  expect(rows).toEqual([{ name: expect.stringMatching(/^medvault_0_[0-9a-f]{32}$/), statement: SIZE }]);
});

test("a statement whose values may be absent, or that asks for it, is planned with them however often it ran", async () => {
  const pool = poolOf();
  const absent =
    "select size from things where ($1::int[] is null or id = any($1)) and ($2::int is null or id = $2)";
  const asking = `${PLANNED_EACH_TIME} select size from things where $1::int[] is not distinct from null and id = $2`;
  for (const text of [absent, asking])
    for (let i = 0; i < 7; i++) expect((await pool.query(text, [null, 1])).rows).toEqual([{ size: 10 }]);
  expect(await prepared(pool)).toEqual([]);
});

test("a migration that changes what a statement answers does not fail it, alone nor in a transaction", async () => {
  const pool = poolOf();
  await sizeOf(pool);
  await scratch.superuser.query("alter table things alter column size type text");
  expect(await sizeOf(pool)).toEqual([{ size: "10" }]);
  await scratch.superuser.query("alter table things alter column size type int using size::int");
  let runs = 0;
  const inOne = await inTransaction(pool, async (tx) => {
    runs += 1;
    await tx.query("update things set size = size + 1 where id = $1", [1]);
    return sizeOf(tx);
  });
  expect(inOne).toEqual([{ size: 11 }]);
  expect(runs).toBe(2);
});

test("a schema put in another's place, as a restore does, is read from then on", async () => {
  await scratch.superuser.query("create schema shop; create table shop.things as table things");
  const pool = poolOf("?options=-c%20search_path%3Dshop");
  for (let i = 0; i < 7; i++) expect(await sizeOf(pool)).toEqual([{ size: 10 }]);
  await scratch.superuser.query(
    "create schema restored; create table restored.things as select 1 as id, 77 as size",
  );
  await scratch.superuser.query(
    "begin; alter schema shop rename to before; alter schema restored rename to shop; commit",
  );
  expect(await sizeOf(pool)).toEqual([{ size: 77 }]);
  await scratch.superuser.query("drop schema shop, before cascade");
});

test("a connection that has forgotten its statements (DISCARD ALL) goes on, and one that always does goes unprepared", async () => {
  const pool = poolOf();
  for (let i = 0; i < 70; i++) {
    expect(await sizeOf(pool)).toEqual([{ size: 10 }]);
    await pool.query("discard all");
  }
  expect(await sizeOf(pool)).toEqual([{ size: 10 }]);
  expect(await prepared(pool)).toEqual([]);
});

test("prepared_statements=off in the URL prepares nothing", async () => {
  const pool = poolOf("?prepared_statements=off");
  expect(await sizeOf(pool)).toEqual([{ size: 10 }]);
  expect(await prepared(pool)).toEqual([]);
});

test("an error of the statement itself stays what it is, and is not run again", async () => {
  const pool = poolOf();
  const insert = () => pool.query("insert into things values ($1, 1)", [2]);
  await insert();
  await expect(insert()).rejects.toMatchObject({ code: "23505" });
  await expect(pool.query("select 1 / ($1::int - 1)", [1])).rejects.toMatchObject({ code: "22012" });
});
