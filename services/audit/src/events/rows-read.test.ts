import type { AuditFilter } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import { createTestDatabase, readingsBeyond, type TestDatabase } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { actorNumbered, BUSY, givenManyEntries, patientNumbered } from "../../test/many-entries.ts";
import { givenPartitions } from "../../test/partitions.ts";
import { rowById, rowsFrom } from "../log/log.store.ts";
import { countBuckets } from "./count.store.ts";
import { latestActors, newestAbout, newestRows, rowsInOrder } from "./event.store.ts";

const ENTRIES = 60_000;
const OF_A_PAGE = 1_000;
/** Of each partition the first entry is read, wherever the page's entries are. */
const PARTITIONS = 8;

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase(["audit"]);
  client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  await client.query("set search_path to audit, audit_sys");
  await givenPartitions(client, 8_192, PARTITIONS);
  await givenManyEntries(client, ENTRIES);
}, 120_000);
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

/** What each filter finds: nearly all, few of all times, or nothing. */
const FILTERS: Readonly<Record<keyof AuditFilter, readonly string[]>> = {
  actorId: [BUSY.actorId, actorNumbered(7), actorNumbered(9_999)],
  patientId: [BUSY.patientId, patientNumbered(6), patientNumbered(99_999)],
  subject: ["patient/7", "patient/x"],
  type: ["medvault.records.patient.read.v1", "medvault.records.claim.paid.v1", "x"],
  action: ["read", "paid", "x"],
  outcome: ["success", "denied", "failure"],
  ip: ["192.0.2.9", "x"],
  requestId: ["request-77", "x"],
  from: ["2025-01-01T00:00:00Z", "2026-01-01T12:00:00Z", "2030-01-01T00:00:00Z"],
  to: ["2030-01-01T00:00:00Z", "2026-01-01T01:00:00Z", "2025-01-01T00:00:00Z"],
};
const asked = [
  {},
  ...Object.entries(FILTERS).flatMap(([name, values]) => values.map((value) => ({ [name]: value }))),
] as AuditFilter[];

/** Those readings that read more rows than they may. */
const beyond = (most: number, what: string, work: (db: Db) => Promise<unknown>) =>
  readingsBeyond(client as unknown as Db, most, what, work);

test("a page of events reads few rows, by each filter and at any depth", async () => {
  const found: string[] = [];
  for (const filter of asked) {
    for (const after of [undefined, { time: Date.parse("2026-01-01T08:00:00Z"), idx: 28_800 }]) {
      const what = `${JSON.stringify(filter)} ${after && "deep"}`;
      found.push(...(await beyond(OF_A_PAGE, what, (db) => newestRows(db, filter, after, 51))));
    }
  }
  expect(found).toEqual([]);
});

test("a page of what was done with a patient's charts reads few rows, at any depth", async () => {
  const found: string[] = [];
  const charts = [[BUSY.patientId], [patientNumbered(6), patientNumbered(7)], [patientNumbered(99_999)]];
  for (const ids of charts) {
    for (const after of [undefined, { time: Date.parse("2026-01-01T08:00:00Z"), idx: 28_800 }]) {
      const what = `${ids} ${after && "deep"}`;
      found.push(
        ...(await beyond(2 * OF_A_PAGE + 4 * PARTITIONS, what, (db) => newestAbout(db, ids, {}, after, 501))),
      );
    }
  }
  expect(found).toEqual([]);
});

test("a step of an export, one event and a chart of counts read few rows", async () => {
  const { rows: ids } = await client.query<{ id: string }>("select id from log where idx = 30000");
  const found = [
    ...(await beyond(OF_A_PAGE, "export", (db) => rowsInOrder(db, {}, 30_000, ENTRIES, 250))),
    ...(await beyond(OF_A_PAGE, "log", (db) => rowsFrom(db, 30_000, ENTRIES, 250))),
    ...(await beyond(10, "one", (db) => rowById(db, ids[0]?.id ?? ""))),
    ...(await beyond(10, "none", (db) => rowById(db, patientNumbered(1)))),
    ...(await beyond(OF_A_PAGE, "counts", (db) =>
      countBuckets(db, { from: "2020-01-01T00:00:00Z" }, "day", 1_000),
    )),
  ];
  expect(found).toEqual([]);
});

test("who acted on a chart is found among its latest events alone", async () => {
  const few = await beyond(OF_A_PAGE, "few", (db) => latestActors(db, [patientNumbered(6)], 20_000, 1_000));
  const busy = await beyond(5_000, "busy", (db) => latestActors(db, [BUSY.patientId], 1_000, 1_000));
  expect([...few, ...busy]).toEqual([]);
});
