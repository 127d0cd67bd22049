import { searchedFields, shred } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import { fieldText } from "@medvault/search";
import type { TestClient } from "@medvault/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  ADA,
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Records,
  startRecords,
} from "../../test/harness.ts";
import { fromRows, plain } from "../../test/loaded-patients.ts";
import { patients } from "../patients/patient.table.ts";
import { loadPatients } from "./patient-load.service.ts";
import { project } from "./projector.service.ts";
import { readDocuments } from "./search-document.store.ts";
import { openDocuments, sealDocument } from "./search-document.ts";
import type { IndexPlace } from "./searched-row.store.ts";

let service: Records;
let place: IndexPlace;
let doctor: TestClient;
/** A patient with three prescriptions, and their document. */
let id: string;
let rowId: string;
beforeAll(async () => {
  service = await startRecords();
  place = { db: service.pool, primary: service.pool, keyring: service.keyring };
});
afterAll(() => service?.close());
beforeEach(async () => {
  doctor = service.someone("doctor");
  [id, rowId] = await givenChart();
  await projected();
});

async function givenChart(fields: object = {}): Promise<[string, string]> {
  const patientId = await givenPatient(doctor, fields);
  for (const medication of ["Metformin 500 mg", "Lisinopril 10 mg"]) {
    await givenPrescription(doctor, patientId, { medication });
  }
  return [patientId, await givenPrescription(doctor, patientId, { startDate: "2025-03" })];
}

const projected = () => project(service, new AbortController().signal);
const superuser = (statement: string) => service.superuser(statement);
/** Changes rows behind the backs of all triggers. */
const unnoticed = (statement: string) => superuser(`set session_replication_role = replica; ${statement}`);

async function waiting(patientId = id): Promise<number> {
  const text = "select from search_changes where patient_id = $1 and not projected";
  return (await service.pool.query(text, [patientId])).rowCount ?? 0;
}

/** That these are loaded as their rows say; by the document (nothing is asked for), or not. */
async function expectLoaded(by: "document" | "rows", ids: readonly string[] = [id]): Promise<void> {
  const loaded = await loadPatients(place, ids);
  expect(loaded).toHaveLength(ids.length);
  for (const id of ids) {
    const one = loaded.find(({ patient }) => patient.id === id);
    expect(one && { ...plain(one), chart: [id] }).toEqual(await fromRows(service, id));
    expect(await waiting(id)).toBe(by === "document" ? 0 : 1);
  }
}

/** That what is wrong with the document hides nothing, and is put right by the projector. */
async function expectRepaired(ids: readonly string[] = [id]): Promise<void> {
  await expectLoaded("rows", ids);
  await expectLoaded("rows", ids); // asked for once, however often it is met
  await projected();
  await expectLoaded("document", ids);
}

test("patients are loaded from their documents, just as from their rows", async () => {
  const others = await Promise.all([givenChart({ familyName: "Łukasz" }), givenChart({ birthDate: "1980" })]);
  const alone = await givenPatient(doctor);
  await projected();
  await expectLoaded("document", [id, alone, ...others.map(([other]) => other)]);
});

test("a patient of a merged chart is loaded with the ids of the chart", async () => {
  const [from] = await givenChart({ nationalId: "X-77" });
  expect((await doctor.post(`/v1/patients/${id}/merge`, { from })).status).toBe(200);
  await projected();
  await expectLoaded("document", [id, from]);
  expect((await loadPatients(place, [from]))[0]?.chart).toEqual([id, from]);
});

test("a document of before the last write is not used", async () => {
  await doctor.put(`/v1/prescriptions/${rowId}`, { ...ASPIRIN, patientId: id, medication: "Ibuprofen" });
  await expectLoaded("rows");
  await projected();
  await expectLoaded("document");
  await doctor.delete(`/v1/prescriptions/${rowId}`);
  await expectLoaded("rows");
  await projected();
  await doctor.patch(`/v1/patients/${id}`, { familyName: "Lund" });
  await expectRepaired();
});

test("a document that is missing is made again", async () => {
  await superuser(`delete from records.search_documents where patient_id = '${id}'`);
  await expectRepaired();
});

test.each([
  ["format", 0],
  ["suite", 1],
  ["key version", 5],
  ["nonce", 6],
  ["commitment", 18],
  ["length", 53],
  ["content", 200],
  ["padding", "octet_length(sealed) - 17"],
  ["tag", "octet_length(sealed) - 1"],
])("threat: a document with another %s hides rows from a search", async (_what, at) => {
  await superuser(
    `update records.search_documents set sealed = set_byte(sealed, ${at}, get_byte(sealed, ${at}) # 1)
      where patient_id = '${id}'`,
  );
  await expectRepaired();
});

test.each([
  ["is cut", "substring(sealed for 400)"],
  ["is empty", "''"],
  ["has bytes after it", "sealed || '\\x00'"],
])("a document that %s is made again", async (_what, sealed) => {
  await superuser(`update records.search_documents set sealed = ${sealed} where patient_id = '${id}'`);
  await expectRepaired();
});

test("threat: a document of any length is read into memory", async () => {
  await superuser(
    `update records.search_documents set sealed = convert_to(repeat('a', 21 * 1024 * 1024), 'UTF8'),
            written_at = now() - interval '1 hour' where patient_id = '${id}'`,
  );
  expect((await readDocuments(service.pool, [id]))[0]?.sealed).toBeNull();
  await expectRepaired();
});

test("a document under another revision than it was sealed for is made again", async () => {
  await superuser(`update records.search_documents set rev = rev + 1 where patient_id = '${id}'`);
  await expectRepaired();
});

test("threat: documents of two patients that were swapped show each one's rows as the other's", async () => {
  const [other] = await givenChart({ familyName: "Other" });
  await projected();
  await superuser(
    `update records.search_documents a set rev = b.rev, sealed = b.sealed
       from records.search_documents b where (a.patient_id, b.patient_id) in (('${id}', '${other}'), ('${other}', '${id}'))`,
  );
  await expectRepaired([id, other]);
});

test("threat: an older version of a document is put back, and a deleted row is found by it", async () => {
  await superuser(
    `create table public.older as select * from records.search_documents where patient_id = '${id}'`,
  );
  await doctor.delete(`/v1/prescriptions/${rowId}`);
  await projected();
  await superuser(
    `update records.search_documents d set rev = o.rev, sealed = o.sealed from public.older o where d.patient_id = o.patient_id;
     drop table public.older`,
  );
  await expectRepaired();
});

test("a document newer than the rows, as after rows were put back, is made again", async () => {
  await superuser(`create table public.older as select * from records.prescriptions where id = '${rowId}'`);
  await doctor.put(`/v1/prescriptions/${rowId}`, { ...ASPIRIN, patientId: id, medication: "Ibuprofen" });
  await projected();
  await unnoticed(
    `update records.prescriptions r set rev = o.rev, sealed = o.sealed, updated_at = o.updated_at, start_date = o.start_date
       from public.older o where r.id = o.id; drop table public.older`,
  );
  await expectRepaired();
});

test("what another process, which does not know the format or has another layout, made is made again", async () => {
  const [stored] = await readDocuments(service.pool, [id]);
  const [document] = stored ? await openDocuments(service.keyring, [stored]) : [];
  if (!stored || !document) throw new Error("there is a document");
  const other = { ...document, layout: "00".repeat(8), rows: [] };
  const { rev, sealed } = sealDocument(service.keyring, stored.subject_key, stored.rev, other);
  const text = "update search_documents set rev = $2, sealed = $3 where patient_id = $1";
  await service.pool.query(text, [id, rev, sealed]);
  await expectRepaired();
});

test("a policy that searches by other fields has every document made again, and none of them holds the others", async () => {
  const before = patients.table.declaration;
  const fields = async () => {
    const [stored] = await readDocuments(service.pool, [id]);
    const [document] = stored ? await openDocuments(service.keyring, [stored]) : [];
    return document?.patient.fields;
  };
  expect(await fields()).toEqual({ phone: fieldText(ADA.phone), email: fieldText(ADA.email) });
  try {
    patients.table.adopt({ ...before, search: { ...before.search, phone: false } });
    expect(searchedFields(patients.table.declaration)).not.toContain("phone");
    await expectRepaired();
    expect(await fields()).toEqual({ email: fieldText(ADA.email) });
  } finally {
    patients.table.adopt(before);
  }
  await expectRepaired();
});

test("threat: a shredded patient's document opens for somebody, or stays", async () => {
  const [stored] = await readDocuments(service.pool, [id]);
  await inTransaction(service.pool, (tx) => shred(tx, id));
  expect(await loadPatients(place, [id])).toEqual([]);
  expect(await readDocuments(service.pool, [id])).toEqual([]);
  await projected();
  const { rowCount } = await service.pool.query("select from search_documents where patient_id = $1", [id]);
  expect(rowCount).toBe(0);
  expect(await waiting()).toBe(0);
  // Not by another patient's key either, nor by a new one.
  const [other] = await readDocuments(service.pool, [(await givenChart())[0]]);
  expect(
    await openDocuments(service.keyring, [{ ...stored, subject_key: other?.subject_key } as never]),
  ).toEqual([null]);
});

test("a row that was damaged is found by what its document still says", async () => {
  const before = (await loadPatients(place, [id])).map(plain);
  await superuser(
    `update records.prescriptions set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) where id = '${rowId}';
     update records.patients set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) where id = '${id}'`,
  );
  expect(await waiting()).toBe(2);
  await projected();
  expect((await loadPatients(place, [id])).map(plain)).toEqual(before);
  expect(await waiting()).toBe(0);
});

test("a key that was wrapped again opens the documents of before", async () => {
  const [stored] = await readDocuments(service.pool, [id]);
  if (!stored) throw new Error("there is a document");
  const key = service.keyring.unwrap(stored.subject_key, ["subject", id]);
  const again = service.keyring.wrap(key, ["subject", id]);
  await service.pool.query("update subject_keys set wrapped = $2 where subject_id = $1", [id, again]);
  await expectLoaded("document");
});

test("a patient whose key is damaged has no document, and comes back with the key", async () => {
  const damage = `update records_sys.subject_keys set wrapped = set_byte(wrapped, 60, get_byte(wrapped, 60) # 1) where subject_id = '${id}'`;
  await superuser(damage);
  const [loaded] = await loadPatients(place, [id]);
  expect([loaded?.patient.name, ...(loaded?.rows.map(({ text }) => text) ?? [])]).toEqual([
    null,
    null,
    null,
    null,
  ]);
  await projected();
  expect((await readDocuments(service.pool, [id]))[0]?.sealed).toBeNull();
  await superuser(damage);
  await expectRepaired();
});

test("rows and documents of a backup are put back: those that fit are used, the others made again", async () => {
  const [[fits], [old], [fresh]] = [await givenChart(), await givenChart(), await givenChart()];
  await projected();
  await doctor.patch(`/v1/patients/${old}`, { familyName: "Lund" }); // the backup has the row, not its document
  const tables = ["patients", "prescriptions", "search_documents"];
  await superuser(
    `create schema saved; ${tables.map((table) => `create table saved.${table} as table records.${table}`).join(";")}`,
  );
  for (const each of [fits, old, fresh]) {
    await doctor.patch(`/v1/patients/${each}`, { familyName: "After" });
    await givenPrescription(doctor, each);
  }
  await projected();
  await unnoticed(
    [...tables]
      .reverse()
      .map((table) => `delete from records.${table}`)
      .join(";") +
      `;${tables.map((table) => `insert into records.${table} select * from saved.${table}`).join(";")}; drop schema saved cascade`,
  );
  await expectLoaded("document", [fits, fresh]);
  await expectRepaired([old]);
});

afterEach(async () => {
  expect(await waiting()).toBe(0);
});
