import type { Actor } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { actor, createTestDatabase, readingsBeyond, type TestDatabase } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  DOCTORS,
  givenManyRows,
  HEAVY_PATIENT,
  HEAVY_ROW,
  OTHER_CHART,
  patientNumbered,
} from "../../test/many-rows.ts";
import type { Chart } from "../access/access.store.ts";
import { busyTimes } from "../appointments/appointment.store.ts";
import { findByNames } from "../bundles/import.store.ts";
import { findRows } from "../bundles/present.store.ts";
import { listMembers } from "../care-team/care-team.store.ts";
import type { Context } from "../context.ts";
import { chartTables, readInOrder } from "../fhir-api/chart.store.ts";
import { listPastVersions } from "../medical-records/record.store.ts";
import { findByNationalId, findWithCharts, listPatients } from "../patients/patient.store.ts";
import { findWithPatients } from "../prescriptions/prescription-search.store.ts";
import { collectDue, deleteDue, takeChanged, takeDue } from "../reminders/reminder.store.ts";
import { dueWindow } from "../reminders/reminder.ts";
import { nextPatientIds, readPatients } from "../search/searched-row.store.ts";
import { resources } from "../tables.ts";
import { page } from "./resource.store.ts";
import { listPast } from "./row-version.store.ts";

// 25,000 rows a table, of 8,000 patients. What a page reads has a bound, whatever the size of the
// table and of the user's panel; but for a panel whose rows are rare, of which each patient is
// looked up once: in the panel, among the merged, and by their first row. (Postgres 16 to 18 read
// up to a seventh more of those than 15.)
const PATIENTS = 8_000;
const PANEL = PATIENTS / 10;
const OF_A_PAGE = 3_000;
const OF_A_RARE_PANEL = 6 * PANEL + 8_000;
const OF_A_RARE_BATCH = OF_A_RARE_PANEL + 60_000;

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase(["records"]);
  client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  await client.query("set search_path to records, records_sys");
  await givenManyRows(client, { patients: PATIENTS, rowsPerPatient: 3, heavyRows: 4_000 });
}, 120_000);
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

const admin = actor("admin");
const [few, many, rowless, old, heavy] = [
  ...[DOCTORS.few, DOCTORS.many, DOCTORS.rowless, DOCTORS.old, DOCTORS.heavy].map((id) =>
    actor("doctor", { id }),
  ),
] as [Actor, Actor, Actor, Actor, Actor];
const everybody = { admin, few, many, rowless, old, heavy };
const isRare = (asker: Actor) => asker === rowless || asker === old;
const over = (db: Db) =>
  ({
    pool: db,
    indexes: {
      identifiers: { read: (_: Db, tokens: Buffer[], work: (forms: Buffer[]) => unknown) => work(tokens) },
    },
  }) as unknown as Context;

/** Those readings that read more rows than they may. */
const beyond = (most: number, what: string, work: (db: Db) => Promise<unknown>) =>
  readingsBeyond(client as unknown as Db, most, what, work);

/** Values of each filter: one that many rows have, one that none has, and of all times. */
const ASKED: Readonly<Record<string, readonly unknown[]>> = {
  doctorId: [DOCTORS.few, DOCTORS.rowless],
  status: ["active", "draft", "booked", "cancelled"],
  from: ["1900-01-01", "2023-11-01", "2030-01-01"],
  to: ["2030-01-01", "2010-03-01", "1900-01-01"],
};
const WEEK = { from: Date.parse("2016-01-01"), to: Date.parse("2016-01-08") };
const DEEP = { at: "2016-01-01T00:00:00Z", id: patientNumbered(1) };

/** The first page, and of the list of all one in the middle. */
const afterOf = (query: object) => (Object.keys(query).length === 0 ? [null, DEEP] : [null]);

function queriesOf(filters: readonly string[]): Record<string, unknown>[] {
  const each = filters.flatMap((name) => {
    const values = ASKED[name];
    if (!values) throw new TypeError(`no values to ask for ${name}`);
    return values.map((value) => ({ [name]: value }));
  });
  return [{}, ...each, ...(filters.includes("from") ? [{ from: "2012-01-01", to: "2012-02-01" }] : [])];
}

const lists = resources.flatMap((resource) => (resource.list ? [{ resource, list: resource.list }] : []));
const rareFilter = (query: Record<string, unknown>) => query.to === "2010-03-01";

test.each(lists)(
  "a page of $resource.plural reads few rows, of all that somebody reaches",
  async ({ resource, list }) => {
    const found: string[] = [];
    for (const [name, asker] of list.isOfPatient ? [] : Object.entries(everybody)) {
      for (const query of queriesOf(list.filters)) {
        for (const after of afterOf(query)) {
          const what = `${name} ${JSON.stringify(query)} ${after && "deep"}`;
          const most = isRare(asker) || (asker === many && rareFilter(query)) ? OF_A_RARE_PANEL : OF_A_PAGE;
          found.push(
            ...(await beyond(most, what, (db) =>
              page(db, over(db), asker, resource, null, query, after, 21),
            )),
          );
        }
      }
    }
    expect(found).toEqual([]);
  },
);

test.each(lists)(
  "a page of $resource.plural reads few rows, of a chart with very many",
  async ({ resource, list }) => {
    const found: string[] = [];
    for (const chart of [[HEAVY_PATIENT], [HEAVY_PATIENT, OTHER_CHART]] as Chart[]) {
      for (const query of queriesOf(list.filters)) {
        for (const after of [null, DEEP]) {
          const what = `${chart.length} ${JSON.stringify(query)} ${after && "deep"}`;
          found.push(
            ...(await beyond(200, what, (db) =>
              page(db, over(db), heavy, resource, chart, query, after, 21),
            )),
          );
        }
      }
    }
    expect(found).toEqual([]);
  },
);

test("a page of patients reads few rows", async () => {
  const found: string[] = [];
  for (const [name, asker] of Object.entries(everybody)) {
    for (const team of [undefined, DOCTORS.few, DOCTORS.many]) {
      for (const updatedSince of [undefined, "2023-11-01T00:00:00Z"]) {
        for (const after of [null, DEEP]) {
          const most = isRare(asker) ? 2 * OF_A_RARE_PANEL : OF_A_PAGE;
          const what = `${name} ${team} ${updatedSince} ${after && "deep"}`;
          const filter = { ...(team && { careTeamOf: team }), ...(updatedSince && { updatedSince }) };
          found.push(
            ...(await beyond(most, what, (db) => listPatients(db, over(db), asker, filter, after, 21))),
          );
        }
      }
    }
  }
  expect(found).toEqual([]);
});

test.each(chartTables.map((table) => ({ table, name: table.layout.table })))(
  "a batch of a FHIR search or export reads few rows of $name",
  async ({ table }) => {
    const tables = [{ table, permission: "patient:read" as const }];
    const found: string[] = [];
    for (const [name, asker] of Object.entries(everybody)) {
      for (const id of [undefined, "80000000-0000-7000-8000-000000000000"]) {
        for (const chart of asker === heavy
          ? [null, [HEAVY_PATIENT], [HEAVY_PATIENT, OTHER_CHART]]
          : [null]) {
          const reading = {
            tables,
            chart: chart as Chart | null,
            after: id ? { table: 0, id } : null,
            batchRows: 50,
          };
          const work = async (db: Db) => void (await Array.fromAsync(readInOrder(over(db), asker, reading)));
          found.push(
            ...(await beyond(isRare(asker) ? OF_A_RARE_BATCH : OF_A_PAGE, `${name} ${id} ${chart}`, work)),
          );
        }
      }
    }
    expect(found).toEqual([]);
  },
);

test("what is looked up by ids, numbers and names reads few rows", async () => {
  const ids = Array.from({ length: 20 }, (_, at) => patientNumbered(at + 1));
  const tokens = [Buffer.from("c81e728d9d4c2f636f067f89cc14862c", "hex")];
  const found: string[] = [];
  for (const [name, asker] of Object.entries(everybody)) {
    const asked: Record<string, (db: Db) => Promise<unknown>> = {
      "national id": (db) => findByNationalId(db, asker, tokens, null, 21),
      identifiers: (db) => findByNames(db, over(db), asker, tokens),
      charts: (db) => findWithCharts(db, over(db), asker, "patient:search", ids),
      "found prescriptions": (db) => findWithPatients(db, over(db), asker, ids),
      "rows of a bundle": (db) => findRows(db, asker, "fhir:import", ids),
      "care team": (db) => listMembers(db, asker, HEAVY_PATIENT),
      "busy times": (db) => busyTimes(db, asker, DOCTORS.few, WEEK.from, WEEK.to),
      "patients to index": (db) => nextPatientIds(db, null, 500),
      "patients of the index": (db) => readPatients({ db, keyring: over(db).keyring }, ids),
    };
    for (const [what, work] of Object.entries(asked))
      found.push(...(await beyond(OF_A_PAGE, `${name} ${what}`, work)));
  }
  expect(found).toEqual([]);
});

test("a batch of reminders reads few rows, of all that end, and of all that was announced", async () => {
  await client.query(
    `insert into reminders (row_id, due, kind, state, recheck)
       select id, end_date::timestamp at time zone 'UTC', 'prescription',
              case when n % 10 = 0 then 'waiting' else 'announced' end, n % 10 = 1
         from (select id, end_date, row_number() over () as n from prescriptions) p`,
  );
  await client.query("vacuum analyze reminders");
  const [batch, most] = [50, 1_000];
  const found: string[] = [];
  for (const kind of ["prescription", "appointment"] as const) {
    for (const now of ["2009-01-01", "2016-01-01", "2030-01-01"]) {
      const window = dueWindow(kind, new Date(now), "UTC", 90);
      const asked: Record<string, (db: Db) => Promise<unknown>> = {
        collected: (db) => collectDue(db as Tx, kind, window, batch),
        due: (db) => takeDue(db as Tx, kind, window, batch),
        changed: (db) => takeChanged(db as Tx, kind, batch),
        over: (db) => deleteDue(db as Tx, window.from, batch),
      };
      for (const [what, work] of Object.entries(asked))
        found.push(...(await beyond(most, `${kind} ${what} ${now}`, work)));
    }
  }
  expect(found).toEqual([]);
});

test("versions are read as many as are shown", async () => {
  const found = [
    ...(await beyond(4_000, "versions", (db) => listPast(db, over(db), heavy, "claim:read", HEAVY_ROW))),
    ...(await beyond(4_000, "versions of a record", (db) =>
      listPastVersions(db, over(db), heavy, HEAVY_ROW),
    )),
  ];
  expect(found).toEqual([]);
});
