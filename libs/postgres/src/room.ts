import type pg from "pg";
import { codeOf } from "./errors.ts";

const DISK_FULL = "53100";
/** Pools whose server said that its disk is full. */
const full = new WeakSet<pg.Pool>();

/** Remembers a pool whose server has just found its disk full. */
export function noteRoom(pool: pg.Pool, error: unknown): void {
  if (codeOf(error) === DISK_FULL) full.add(pool);
}

/** A megabyte that must be sorted with 64 kB of memory, and so through a file. */
const SORT = `select count(*) from (select repeat(md5(i::text), 32) from generate_series(1, 1000) i
  order by 1 offset 0) sorted`;

/**
 * For readiness: throws when the server does not answer, or has no room for what it is given. A
 * full disk is known by the statement that met it, and is asked again by sorting more than fits in
 * memory, which leaves nothing behind.
 */
export async function probeDatabase(pool: pg.Pool): Promise<void> {
  if (!full.has(pool)) return void (await pool.query("select 1"));
  const client = await pool.connect();
  let failed = true;
  try {
    await client.query("begin read only");
    await client.query("set local work_mem = '64kB'");
    await client.query(SORT);
    await client.query("rollback");
    failed = false;
    full.delete(pool);
  } finally {
    client.release(failed);
  }
}
