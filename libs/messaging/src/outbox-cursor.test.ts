import type pg from "pg";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { createTestDatabase } from "../../testing/src/index.ts";
import { numbered } from "../test/harness.ts";
import { emit } from "./emit.ts";
import { OutboxCursor } from "./outbox-cursor.ts";
import { acquireLease, type Lease } from "./relay.store.ts";

const database = await createTestDatabase(["records"]);
const pool = database.pool("records");
const held = await lease();
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query("delete from outbox");
});

async function write(client: pg.Pool | pg.PoolClient, n: number): Promise<void> {
  await emit(client as never, "records", numbered(n));
}

async function lease(): Promise<Lease> {
  const taken = await acquireLease(pool, "00000000-0000-4000-8000-000000000001", 60_000);
  if (taken === null) throw new Error("no lease");
  return taken;
}
const next = async (cursor: OutboxCursor, limit: number) => (await cursor.next(pool, held, limit)).rows;

/** Reads as the relay does: what comes is deleted. */
async function read(cursor: OutboxCursor, limit = 100): Promise<string[]> {
  const rows = await next(cursor, limit);
  await pool.query("delete from outbox where position = any($1::bigint[])", [
    rows.map((row) => row.position),
  ]);
  return rows.map((row) => (JSON.parse(row.event) as { subject: string }).subject);
}

test("rows come once, in order, in pieces", async () => {
  for (let n = 1; n <= 5; n++) await write(pool, n);
  const cursor = new OutboxCursor();
  expect(await read(cursor, 2)).toEqual(["thing/1", "thing/2"]);
  expect(await read(cursor, 2)).toEqual(["thing/3", "thing/4"]);
  expect(await read(cursor, 2)).toEqual(["thing/5"]);
  expect(await read(cursor, 2)).toEqual([]);
});

test("a row that drew a lower position and commits later is found, however long it took", async () => {
  const cursor = new OutboxCursor();
  const slow = await pool.connect();
  await slow.query("begin");
  await write(slow, 1);
  await write(pool, 2);
  expect(await read(cursor)).toEqual(["thing/2"]);
  for (let n = 3; n <= 10; n++) {
    await write(pool, n);
    await vi.waitFor(async () => expect(await read(cursor)).toEqual([`thing/${n}`]));
  }
  await slow.query("commit");
  slow.release();
  await vi.waitFor(async () => expect(await read(cursor)).toEqual(["thing/1"]), 2_000);
});

test("it looks back while a transaction is open that may show a row late, and seldom else", async () => {
  let statements = 0;
  const counting = {
    query: (text: string, values: unknown[]) => {
      statements += 1;
      return pool.query(text, values);
    },
  };
  const round = async (cursor: OutboxCursor) => {
    await write(pool, 1);
    expect(await read(cursor)).toEqual(["thing/1"]);
    const { mayBeLate } = cursor;
    await new Promise((resolve) => setTimeout(resolve, 150));
    statements = 0;
    await cursor.next(counting as never, held, 100);
    return { mayBeLate, statements };
  };
  const open = await pool.connect();
  await open.query("begin");
  await open.query("select pg_current_xact_id()");
  const cursor = new OutboxCursor();
  await cursor.next(pool, held, 1); // the first time it has not looked back for long
  expect(await round(cursor)).toEqual({ mayBeLate: true, statements: 2 });
  await open.query("commit");
  open.release();
  // Another database's transaction counts too, and may be open.
  const after = await round(cursor);
  expect(after.statements).toBeLessThanOrEqual(after.mayBeLate ? 2 : 1);
});

test("rows that stay do not hide those behind them", async () => {
  const cursor = new OutboxCursor();
  for (let n = 1; n <= 6; n++) await write(pool, n);
  for (let i = 0; i < 3; i++) await next(cursor, 2);
  const seen = new Set<string>();
  await vi.waitFor(async () => {
    const rows = await next(cursor, 2);
    for (const row of rows) seen.add((JSON.parse(row.event) as { subject: string }).subject);
    expect([...seen].toSorted()).toEqual(["thing/1", "thing/2", "thing/3", "thing/4", "thing/5", "thing/6"]);
  }, 20_000);
});

test("after a reset everything that is left comes again", async () => {
  const cursor = new OutboxCursor();
  await write(pool, 1);
  await write(pool, 2);
  expect(await next(cursor, 10)).toHaveLength(2);
  await write(pool, 3);
  cursor.reset();
  expect(await next(cursor, 10)).toHaveLength(3);
});
