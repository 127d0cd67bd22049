import { newId } from "@medvault/contracts";
import { shred } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ASPIRIN, givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";

// Two processes over one database: what is written through one is asked of the other.
let one: Records;
let two: Records;
let doctor: TestClient;
let admin: TestClient;
let patientId: string;
beforeAll(async () => {
  one = await startRecords();
  two = await startRecords({ database: one.database, keyring: one.keyring });
});
afterAll(async () => {
  await two?.close();
  await one?.close();
});
beforeEach(async () => {
  doctor = one.someone("doctor");
  admin = one.someone("admin");
  patientId = await givenPatient(doctor);
});

let count = 0;
/** A word that nothing else here has. */
const word = () =>
  `q${(count++).toString(26).replace(/\d/g, (digit) => "klmnopqrst"[Number(digit)] ?? "")}zz`;
type Page = { items: { id: string }[] };
/** Asks the other process. */
const ask = async (path: string, q: string, by: TestClient): Promise<string[]> => {
  const { status, body } = await two.as(by.actor).post<Page>(path, { q, limit: 100 });
  expect(status).toBe(200);
  return body.items.map(({ id }) => id);
};
const found = (q: string, by = doctor) => ask("/v1/prescriptions/search", q, by);
const people = (q: string, by = doctor) => ask("/v1/patients/search", q, by);

test("what was written, renamed or deleted a moment ago through another process is found as it is now", async () => {
  const [drug, renamed, name] = [word(), word(), word()];
  expect(await found(drug)).toEqual([]);
  const id = await givenPrescription(doctor, patientId, { medication: `${drug} 5 mg` });
  for (const by of [doctor, admin]) expect(await found(drug, by)).toEqual([id]);
  await doctor.put(`/v1/prescriptions/${id}`, { ...ASPIRIN, patientId, medication: renamed });
  for (const by of [doctor, admin]) {
    expect(await found(drug, by)).toEqual([]);
    expect(await found(renamed, by)).toEqual([id]);
  }
  await doctor.patch(`/v1/patients/${patientId}`, { familyName: name });
  for (const by of [doctor, admin]) {
    expect(await people(name, by)).toEqual([patientId]);
    expect(await found(`${renamed} ${name}`, by)).toEqual([id]);
  }
  await doctor.delete(`/v1/prescriptions/${id}`);
  for (const by of [doctor, admin]) expect(await found(renamed, by)).toEqual([]);
});

test("threat: who was taken off a care team a moment ago still finds the patient, through another process", async () => {
  const drug = word();
  const id = await givenPrescription(doctor, patientId, { medication: drug });
  const other = one.someone("doctor");
  expect(await found(drug, other)).toEqual([]);
  await doctor.put(`/v1/patients/${patientId}/care-team/${other.actor.id}`);
  expect(await found(drug, other)).toEqual([id]);
  expect((await doctor.delete(`/v1/patients/${patientId}/care-team/${other.actor.id}`)).status).toBe(204);
  expect(await found(drug, other)).toEqual([]);
  expect(await found(drug)).toEqual([id]);
});

test("threat: a shredded, or a deleted patient is found by another process", async () => {
  const [drug, name] = [word(), word()];
  const erased = await givenPatient(doctor, { familyName: name, nationalId: "X-7" });
  for (const id of [patientId, erased]) await givenPrescription(doctor, id, { medication: drug });
  for (const by of [doctor, admin]) {
    expect(await found(drug, by)).toHaveLength(2);
    expect(await people(name, by)).toEqual([erased]);
  }
  await inTransaction(one.pool, (tx) => shred(tx, erased));
  for (const by of [doctor, admin]) {
    expect(await found(drug, by)).toHaveLength(1);
    expect(await people(name, by)).toEqual([]);
  }
  await one.pool.query("delete from patients where id = $1", [patientId]);
  for (const by of [doctor, admin]) expect(await found(drug, by)).toEqual([]);
});

test("threat: a transaction that was held open, and commits after others were read, is missed by a search", async () => {
  const [drug, later] = [word(), word()];
  const held = await one.pool.connect();
  const ids: string[] = [];
  try {
    const id = await givenPrescription(doctor, patientId, { medication: drug });
    await held.query("begin");
    await held.query("update patients set user_id = $2 where id = $1", [await givenPatient(doctor), newId()]);
    // What stands in the transaction has an older number than what commits before it.
    await held.query("delete from prescriptions where id = $1", [id]);
    for (let n = 0; n < 3; n += 1) {
      ids.unshift(await givenPrescription(doctor, patientId, { medication: later }));
      expect(await found(later)).toEqual(ids.toSorted().reverse());
      expect(await found(drug)).toEqual([id]);
    }
    await held.query("commit");
    expect(await found(drug)).toEqual([]);
    expect(await found(later)).toHaveLength(3);
  } finally {
    held.release();
  }
});

test("two charts are found as one from the request after their merge on, and as two after it was undone", async () => {
  const [name, drug] = [word(), word()];
  const from = await givenPatient(doctor, { familyName: name, nationalId: "X-9" });
  const id = await givenPrescription(doctor, patientId, { medication: drug });
  for (const by of [doctor, admin]) expect(await found(`${name} ${drug}`, by)).toEqual([]);
  expect((await doctor.post(`/v1/patients/${patientId}/merge`, { from })).status).toBe(200);
  for (const by of [doctor, admin]) expect(await found(`${name} ${drug}`, by)).toEqual([id]);
  expect((await doctor.post(`/v1/patients/${patientId}/unmerge`, { from })).status).toBe(200);
  for (const by of [doctor, admin]) expect(await found(`${name} ${drug}`, by)).toEqual([]);
});

test("searches that wait share one reading, which began after they came", async () => {
  const drug = word();
  await found(drug);
  const id = await givenPrescription(doctor, patientId, { medication: drug });
  const all = await Promise.all(Array.from({ length: 30 }, () => found(drug)));
  expect(all).toEqual(all.map(() => [id]));
});
