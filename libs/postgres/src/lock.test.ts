import { afterAll, expect, test } from "vitest";
import { createScratch } from "../test/harness.ts";
import { whileLocked } from "./lock.ts";

const scratch = await createScratch(process.env.MEDVAULT_TEST_DATABASE_URL);
afterAll(() => scratch.drop());
const [here, there] = [scratch.pool(), scratch.pool()];

const advisoryLocks = async () =>
  (
    await scratch.superuser.query(
      `select from pg_locks l join pg_database d on d.oid = l.database
        where l.locktype = 'advisory' and d.datname = current_database()`,
    )
  ).rowCount;

test("while one process works the other is told that it may not, and afterwards it may", async () => {
  const done = await whileLocked(here, "work", async () => {
    expect(await whileLocked(there, "work", async () => "both")).toBeUndefined();
    expect(await whileLocked(there, "other work", async () => "beside it")).toBe("beside it");
    return "one";
  });
  expect(done).toBe("one");
  expect(await whileLocked(there, "work", async () => "next")).toBe("next");
  await expect(whileLocked(here, "work", () => Promise.reject(new RangeError("no")))).rejects.toThrow("no");
  expect(await advisoryLocks()).toBe(0);
});

test("it is the lock of a transaction, which a pooler keeps a connection for, and has no number of its own", async () => {
  await whileLocked(here, "work", async (lock) => {
    await scratch.superuser.query("create table written ()");
    const { rows } = await lock.query<{ number: string | null; idleFor: string }>(
      `select pg_current_xact_id_if_assigned()::text as number,
              current_setting('idle_in_transaction_session_timeout') as "idleFor"`,
    );
    expect(rows).toEqual([{ number: null, idleFor: "0" }]);
    await lock.query("rollback");
    expect(await advisoryLocks()).toBe(0);
    await lock.query("begin");
  });
});

test("who has lost the lock can commit nothing with it, and another has it at once", async () => {
  await scratch.superuser.query("create table kept (n int)");
  const lost = whileLocked(here, "work", async (lock) => {
    const { rows } = await lock.query<{ pid: number }>("select pg_backend_pid() as pid");
    await scratch.superuser.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
    await expect.poll(() => whileLocked(there, "work", async () => "other")).toBe("other");
    await lock.query("insert into kept values (1)");
  });
  await expect(lost).rejects.toMatchObject({ name: "DatabaseUnavailable" });
  expect((await scratch.superuser.query("select from kept")).rowCount).toBe(0);
});
