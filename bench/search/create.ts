import { randomBytes, randomInt } from "node:crypto";
import { newId } from "@medvault/contracts";
import { createTestDatabase } from "@medvault/testing";
import pg from "pg";
import { type Finding, inTurns, median } from "../rounds.ts";
import { withServers } from "../servers.ts";

const ROWS_THERE = 20_000;
const PER_ROUND = 200;
const BOX_BYTES = 512;
/** Each of 12 bits, as many as a medication of some 30 letters had. */
const TOKENS = 30;

/** The table as it was while a blind index served the search, beside the one that is there now. */
const BEFORE = `
  set search_path to records, records_sys;
  create table prescriptions_before (like prescriptions including all);
  alter table prescriptions_before
    add foreign key (patient_id) references patients (id) on delete cascade,
    add column medication_tokens bigint[] not null,
    add column added_tokens text[] not null default '{}';
  create index on prescriptions_before using gin (medication_tokens);
  create index on prescriptions_before using gin (added_tokens) where added_tokens <> '{}';`;

interface Cost {
  /** Of the server and the way to it, per row. */
  micros: number;
  walBytes: number;
}

/** What the row of a new prescription costs Postgres: with a GIN index, and with a change row. */
export function createCost(rounds: number): Promise<Finding[]> {
  return withServers(async () => {
    const database = await createTestDatabase(["records"]);
    const client = new pg.Client({ connectionString: database.superuserUrl });
    try {
      await client.connect();
      await client.query(BEFORE);
      const patientId = await givenPatient(client);
      const before = () => insertOf(client, "prescriptions_before", patientId);
      const now = () => insertOf(client, "prescriptions", patientId);
      for (let rows = 0; rows < ROWS_THERE; rows += PER_ROUND) {
        await before();
        await now();
      }
      return findings(await inTurns(rounds, before, now));
    } finally {
      await client.end();
      await database.drop();
    }
  });
}

function findings(rounds: { bare: Cost; ours: Cost }[]): Finding[] {
  const ratioOf = (part: keyof Cost) => median(rounds.map(({ bare, ours }) => bare[part] / ours[part]));
  const medians = (part: keyof Cost) => {
    const [was, is] = [rounds.map(({ bare }) => bare[part]), rounds.map(({ ours }) => ours[part])];
    return `${median(was).toFixed(0)} before, ${median(is).toFixed(0)} now`;
  };
  return [
    {
      name: "inserting a prescription in Postgres, with blind index / now",
      measured: ratioOf("micros"),
      unit: "ratio",
      atLeast: 1,
      note: `${medians("micros")} µs`,
    },
    {
      name: "WAL of a prescription, with blind index / now",
      measured: ratioOf("walBytes"),
      unit: "ratio",
      atLeast: 1,
      note: `${medians("walBytes")} bytes`,
    },
  ];
}

async function givenPatient(client: pg.Client): Promise<string> {
  const id = newId();
  await client.query(
    `insert into patients (id, created_by, created_at, updated_at, rev, open, sealed)
     values ($1, $1, now(), now(), 1, '{}', $2)`,
    [id, randomBytes(BOX_BYTES)],
  );
  return id;
}

/** One row a statement and transaction, as a create has it. */
async function insertOf(client: pg.Client, table: string, patientId: string): Promise<Cost> {
  const isBefore = table !== "prescriptions";
  const text = `insert into ${table} (id, patient_id, prescribed_by, status, start_date, created_at, updated_at, rev, open, sealed${isBefore ? ", medication_tokens" : ""})
    values ($1, $2, $2, 'active', $3, now(), now(), 1, '{}', $4${isBefore ? ", $5" : ""})`;
  const rows = Array.from({ length: PER_ROUND }, () => [
    newId(),
    patientId,
    `20${randomInt(10, 26)}-0${randomInt(1, 10)}-${randomInt(10, 29)}`,
    randomBytes(BOX_BYTES),
    ...(isBefore ? [Array.from({ length: TOKENS }, () => randomInt(4_096))] : []),
  ]);
  const walBefore = await walPosition(client);
  const since = process.hrtime.bigint();
  for (const values of rows) await client.query({ name: table, text, values });
  const micros = Number(process.hrtime.bigint() - since) / 1_000 / PER_ROUND;
  return { micros, walBytes: ((await walPosition(client)) - walBefore) / PER_ROUND };
}

async function walPosition(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ at: string }>(
    "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as at",
  );
  return Number(rows[0]?.at);
}
