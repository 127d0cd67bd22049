import { inTransaction } from "@medvault/postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { events, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { appendRows, tableSize } from "./log.store.ts";

let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
  const writer = await log.writing();
  await log.append(writer, events(3));
  await log.published(3);
});
afterAll(() => log.end());

test.each([
  "update log set outcome = 'success'",
  "delete from log",
  "truncate log",
  "update checkpoints set note = ''",
  "delete from checkpoints",
  "truncate checkpoints",
  "update log_counts set denied = 0",
  "insert into log_counts values (1, now(), 1, 0, 0)",
  "alter table log disable trigger all",
  "drop table log",
  "create table other (id int)",
])("the service's own role cannot: %s", async (sql) => {
  await expect(log.pool.query(sql)).rejects.toMatchObject({ code: "42501" });
});

test("rows go in at the expected size and under the present epoch only, all or none", async () => {
  const { rows } = await log.superuser.query("select id, leaf, sealed from log where idx = 0");
  const row = {
    ...rows[0],
    id: "0197a000-0000-7000-8000-0000000000ff",
    occurredAt: 0,
    type: "t",
    producer: "p",
    epoch: null,
    seq: null,
    actorId: null,
    actorRole: null,
    patientIds: [],
    subject: "s",
    action: "a",
    outcome: "success",
    purpose: null,
    ip: null,
    requestId: null,
  };
  const epoch = Number((await log.superuser.query("select epoch from writer")).rows[0].epoch);
  for (const size of [0, 2, 4]) {
    expect(await inTransaction(log.pool, (tx) => appendRows(tx, epoch, size, [row], []))).toBe(0);
  }
  expect(await inTransaction(log.pool, (tx) => appendRows(tx, epoch - 1, 3, [row], []))).toBe(0);
  expect(await tableSize(log.pool)).toBe(3);
  expect(await inTransaction(log.pool, (tx) => appendRows(tx, epoch, 3, [row], []))).toBe(1);
  expect(await tableSize(log.pool)).toBe(4);
});

test("nothing of an event's body can be read in the table", async () => {
  const { rows } = await log.superuser.query(
    "select count(*)::int as n from log where position('canonical' in encode(sealed, 'escape')) > 0 or position('assigned' in encode(sealed, 'escape')) > 0",
  );
  expect(rows[0].n).toBe(0);
});
