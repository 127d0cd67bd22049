import type pg from "pg";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { createTestDatabase } from "../../testing/src/index.ts";
import { numbered } from "../test/harness.ts";
import { emit } from "./emit.ts";
import { OutboxCursor } from "./outbox-cursor.ts";

const database = await createTestDatabase(["records"]);
const pool = database.pool("records");
afterAll(() => database.drop());
beforeEach(async () => {
  await pool.query("delete from outbox");
});

async function write(client: pg.Pool | pg.PoolClient, n: number): Promise<void> {
  await emit(client as never, "records", numbered(n));
}

/** Reads as the relay does: what comes is deleted, in a transaction whose id the cursor gets. */
async function read(cursor: OutboxCursor, limit = 100): Promise<string[]> {
  const rows = await cursor.next(pool, limit);
  const { rows: gone } = await pool.query<{ xid: string }>(
    `with gone as (delete from outbox where position = any($1::bigint[]))
     select pg_current_xact_id()::text as xid`,
    [rows.map((row) => row.position)],
  );
  cursor.passed(BigInt(gone[0]?.xid ?? 0));
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

test("with no transaction open the floor rises, and looking back ends", async () => {
  const cursor = new OutboxCursor();
  await write(pool, 1);
  expect(await read(cursor)).toEqual(["thing/1"]);
  let statements = 0;
  const counting = {
    query: (text: string, values?: readonly unknown[]) => {
      statements += 1;
      return pool.query(text, values === undefined ? undefined : [...values]);
    },
  };
  // A look back takes a second statement; after the floor has risen a round takes one.
  await vi.waitFor(async () => {
    statements = 0;
    await cursor.next(counting as never, 100);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const first = statements;
    await vi.waitFor(async () => {
      statements = 0;
      await cursor.next(counting as never, 100);
      expect(first + statements).toBe(2);
    });
  }, 3_000);
});

test("rows that stay do not hide those behind them", async () => {
  const cursor = new OutboxCursor();
  for (let n = 1; n <= 6; n++) await write(pool, n);
  for (let i = 0; i < 3; i++) await cursor.next(pool, 2);
  const seen = new Set<string>();
  await vi.waitFor(async () => {
    const rows = await cursor.next(pool, 2);
    for (const row of rows) seen.add((JSON.parse(row.event) as { subject: string }).subject);
    expect([...seen].toSorted()).toEqual(["thing/1", "thing/2", "thing/3", "thing/4", "thing/5", "thing/6"]);
  }, 3_000);
});

test("after a reset everything that is left comes again", async () => {
  const cursor = new OutboxCursor();
  await write(pool, 1);
  await write(pool, 2);
  expect(await cursor.next(pool, 10)).toHaveLength(2);
  await write(pool, 3);
  cursor.reset();
  expect(await cursor.next(pool, 10)).toHaveLength(3);
});
