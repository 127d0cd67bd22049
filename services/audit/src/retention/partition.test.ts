import { setImmediate } from "node:timers/promises";
import { newId } from "@medvault/contracts";
import { inTransaction, migrateService } from "@medvault/postgres";
import { createTestDatabase, type TestDatabase } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { events, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { givenPartitions } from "../../test/partitions.ts";
import { rowById, rowsFrom, tableSize } from "../log/log.store.ts";
import { missingRanges } from "./partition.store.ts";

let database: TestDatabase;
let log: GivenLog;
beforeAll(async () => {
  database = await createTestDatabase(["audit"]);
  log = await givenLog(database);
});
afterAll(async () => {
  await log?.end();
  await database?.drop();
});

const SCHEMA = "audit_before";
const INSERT = `insert into log (idx, id, occurred_at, type, producer, patient_ids, subject, action, outcome, leaf, sealed)
  select $1::bigint + n - 1, id, now(), 't', 'records', '{}', 's', 'a', 'success', sha256('x'), '\\x00'
    from unnest($2::uuid[]) with ordinality as new (id, n) returning idx`;

test("a log of the version before becomes partitions while that version appends; the rows that were there are not read under a lock", async () => {
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const notices: string[] = [];
  owner.on("notice", ({ message }) => notices.push(message ?? ""));
  await migrateService(owner, "audit", { schema: SCHEMA, upTo: "0003_action.sql" });
  const url = new URL(database.url("audit"));
  url.searchParams.set("options", `-c search_path=${SCHEMA},audit_sys`);
  const ids = Array.from({ length: 5_000 }, () => newId());
  await owner.query(`set search_path = ${SCHEMA}, audit_sys`);
  await owner.query(INSERT, [0, ids]);

  let isOver = false;
  const appended: string[] = [];
  async function append(): Promise<void> {
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    while (!isOver) {
      const some = [newId(), newId()];
      await client.query({ name: "append", text: INSERT, values: [ids.length + appended.length, some] });
      appended.push(...some);
      await setImmediate();
    }
    await client.end();
  }
  const appending = append();
  for (const step of ["0009_log_ids.sql", "0011_log_ids_filled.sql", "0012_log_partitions.sql"]) {
    const at = appended.length;
    await owner.query("set client_min_messages = debug1");
    await migrateService(owner, "audit", { schema: SCHEMA, upTo: step });
    while (appended.length < at + 4) await setImmediate();
  }
  isOver = true;
  await appending;
  expect(notices).toContainEqual(
    expect.stringMatching(/partition constraint for table "log_first" is implied by existing constraints/),
  );
  await owner.query(`set search_path = ${SCHEMA}, audit_sys`);
  const all = [...ids, ...appended];
  const { rows } = await owner.query("select id from log order by idx");
  expect(rows.map(({ id }) => id)).toEqual(all);
  const { rows: noted } = await owner.query("select id from log_ids order by idx");
  expect(noted).toEqual(rows);
  const { rows: counts } = await owner.query(
    "select sum(success)::int as n from log_counts where minutes = 60",
  );
  expect(counts).toEqual([{ n: all.length }]);
  for (const known of [ids[7], appended[1], appended.at(-1)])
    await expect(owner.query(INSERT, [all.length, [known]])).rejects.toMatchObject({ code: "23505" });
  await owner.end();
}, 60_000);

test.each([
  "update log_first set outcome = ''",
  "insert into log_first select * from log",
  "select from log_first",
])("the service's own role has no way to a partition by its name: %s", async (sql) => {
  await expect(log.pool.query(sql)).rejects.toMatchObject({ code: "42501" });
});

test("an event is logged once, also where another partition has it; entries are found by id and in order over all", async () => {
  await log.reset();
  await givenPartitions(log.superuser, 256, 4);
  const writer = await log.writing();
  const some = events(700);
  await log.append(writer, some.slice(0, 300));
  await log.append(writer, some.slice(200));
  await log.append(writer, some.slice(0, 1));
  await log.published(700);
  expect(await log.verify()).toEqual({ size: 700, checkpointSize: 700, ok: true });
  expect(await tableSize(log.pool)).toBe(700);
  expect((await rowById(log.pool, some[650]?.id ?? ""))?.idx).toBe(650);
  expect((await rowsFrom(log.pool, 250, 700, 10)).map(({ idx }) => idx)).toEqual(
    Array.from({ length: 10 }, (_, n) => 250 + n),
  );
});

test("partitions are made ahead by the service's role, which can make no table; what finds none is in the default one and stays readable", async () => {
  await log.reset();
  await givenPartitions(log.superuser, 256, 1);
  const writer = await log.writing();
  const some = events(600);
  await log.append(writer, some);
  await log.published(600);
  const inDefault = async () =>
    (await log.pool.query("select count(*)::int as n from log_default")).rows[0].n as number;
  expect(await inDefault()).toBe(344);
  const made = async () =>
    (await log.pool.query("select make_log_partitions() as made")).rows[0].made as number;
  expect(await made()).toBeGreaterThan(1);
  expect(await made()).toBe(0);
  const { rows } = await log.superuser.query(
    "select min(from_idx)::int as from from log_partitions() where from_idx > 0",
  );
  expect(rows).toEqual([{ from: 262_144 }]);
  await log.append(writer, events(10, 601));
  await log.published(610);
  expect(await log.verify()).toEqual({ size: 610, checkpointSize: 610, ok: true });
  await expect(
    inTransaction(log.pool, (tx) => tx.query("create table log_9 (idx int)")),
  ).rejects.toMatchObject({
    code: "42501",
  });
});

test("a partition that somebody dropped or detached is named, and none that is there", async () => {
  await log.reset();
  await givenPartitions(log.superuser, 256, 6);
  const writer = await log.writing();
  await log.append(writer, events(1_000));
  await log.published(1_000);
  expect(await missingRanges(log.pool, 0)).toEqual([]);
  await log.superuser.query("drop table log_512");
  expect(await missingRanges(log.pool, 0)).toEqual([{ from: 512, to: 768 }]);
  await log.superuser.query("alter table log detach partition log_0");
  await log.superuser.query("drop table log_768, log_0");
  const lost = [
    { from: 0, to: 256 },
    { from: 512, to: 1_000 },
  ];
  expect(await missingRanges(log.pool, 0)).toEqual(lost);
  expect(await missingRanges(log.pool, 256)).toEqual(lost.slice(1));
});
