import { randomUUID } from "node:crypto";
import { createSubjectKey, type Keyring, tableKey } from "@medvault/keys";
import { createTestDatabase, drainedEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { patients as patientResource } from "../../services/records/src/patients/patient.table.ts";
import { newPatient } from "../../services/records/src/patients/patient.ts";
import { type KeysPlace, makeKeysPlace } from "../test/harness.ts";

const { table: patients } = patientResource;
let database: TestDatabase;
let place: KeysPlace;
let keyring: Keyring;
beforeAll(async () => {
  database = await createTestDatabase(["records", "files"]);
  place = await makeKeysPlace(database, ["records", "files"]);
  keyring = await place.keyringOf("records");
});
afterAll(async () => {
  await database?.drop();
  await place.remove();
});

const pool = () => database.pool("records");

const keys: KeysPlace["keys"] = (...args) => place.keys(...args);

async function addPatient(): Promise<void> {
  const id = randomUUID();
  const fields = { givenName: "Ada", familyName: "Marsh", birthDate: "1971-02-03", sex: "female" as const };
  const nothing = { nationalId: "S1234567D", phone: null, email: null, address: null };
  const value = newPatient(
    id,
    { ...fields, ...nothing },
    { userId: null, source: null, createdBy: id, createdAt: new Date() },
  );
  const { open, sealed } = patients.seal(keyring, await createSubjectKey(pool(), keyring, id), value);
  const tokens = patients.indexTokens(await patients.indexKeys(pool(), keyring), value);
  await pool().query(
    `insert into patients (id, created_by, created_at, updated_at, national_id_token, rev, open, sealed)
     values ($1, $1, $2, $2, $3, 1, $4, $5)`,
    [id, value.createdAt, tokens.national_id, open, sealed],
  );
}

const storedToken = async () =>
  (await pool().query<{ token: Buffer }>("select national_id_token as token from patients")).rows[0]?.token;
const askedTokens = async () =>
  patients.queryTokens(await patients.indexKeys(pool(), keyring), "national_id", "S1234567D");

test("a table's indexes are rebuilt by command, each step with its event, and under the new keys afterwards", async () => {
  await addPatient();
  const before = await storedToken();
  await drainedEvents(pool());
  const ran = await keys("reindex", "patients", "--json");
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(ran.out)).toMatchObject({
    command: "reindex",
    ok: true,
    table: "patients",
    finished: true,
  });
  const events = await drainedEvents(pool());
  expect(events.map(({ type, data }) => [type, data.details])).toEqual(
    ["begun", "finished"].map((step) => ["medvault.records.keys.reindex.v1", { table: "patients", step }]),
  );
  const after = await storedToken();
  expect(after).not.toEqual(before);
  expect(await askedTokens()).toContainEqual(after);
});

test("a table without a blind index, and one that is none, are wrong usage", async () => {
  expect(await keys("reindex", "claims")).toMatchObject({
    code: 2,
    err: expect.stringMatching(/no blind index/),
  });
  expect(await keys("reindex", "people")).toMatchObject({ code: 2, err: expect.stringMatching(/no table/) });
});

test("a table may be sealed again in the middle of a rebuild, which the next run finishes", async () => {
  await pool().query(
    `insert into keys (kind, name, version, wrapped, state)
     select kind, name, version + 1, $1, 'retired' from keys where name = 'patients.national_id'`,
    [keyring.wrap(Buffer.alloc(32, 7), ["index", "patients.national_id"], 3)],
  );
  const says = "✗ records: the index patients.national_id is half rebuilt: keys reindex patients.";
  expect(await keys("doctor", "records")).toMatchObject({ code: 1, out: expect.stringContaining(says) });
  expect(await keys("reseal", "patients", "--all")).toMatchObject({ code: 0 });
  expect(await keys("reindex", "patients")).toMatchObject({ code: 0 });
  expect((await keys("doctor", "records")).out).not.toContain("half rebuilt");
  expect(await askedTokens()).toContainEqual(await storedToken());
});

test("list says how many rows of each table open by the keys of a version, tokens under table keys too", async () => {
  await tableKey(pool(), keyring, "patient_identifiers");
  await pool().query("insert into patient_identifiers (patient_id, token) select id, $1 from patients", [
    Buffer.alloc(16, 1),
  ]);
  const { out } = await keys("list", "records", "--json");
  expect(JSON.parse(out).versions).toMatchObject([
    { service: "records", version: 1, rows: { patients: 1, patient_identifiers: 1 } },
  ]);
  expect((await keys("list", "records")).out).toMatch(/rows +key\nrecords +1 +active .* 2 +\w{12}\n/);
});

test("another key is laid over tokens of texts that nobody keeps, by command and with its events", async () => {
  await drainedEvents(pool());
  const ran = await keys("reindex", "patient_identifiers", "--json");
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(ran.out)).toMatchObject({ table: "patient_identifiers", finished: true, written: 1 });
  const { rows } = await pool().query("select token, layer from patient_identifiers");
  expect(rows).toEqual([{ token: expect.any(Buffer), layer: 2 }]);
  expect(rows[0]?.token).not.toEqual(Buffer.alloc(16, 1));
  expect((await drainedEvents(pool())).map(({ type, data }) => [type, data.details])).toEqual(
    ["begun", "finished"].map((step) => [
      "medvault.records.keys.reindex.v1",
      { table: "patient_identifiers", step },
    ]),
  );
});
