import { newId } from "@medvault/contracts";
import { shred } from "@medvault/keys";
import { putBack, reseal } from "@medvault/keys/operations";
import { type Db, inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { hospital, load } from "../../test/fhir.ts";
import { ASPIRIN, givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import { readChanges } from "./search-change.store.ts";

let service: Records;
let doctor: TestClient;
let patientId: string;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());
beforeEach(async () => {
  doctor = service.someone("doctor");
  patientId = await givenPatient(doctor);
  await changes();
});

/**
 * What was noted since the last call: `patient` or `patient/row`, each once. Without what a reader
 * asks for, which is of no transaction.
 */
async function changes(): Promise<Set<string>> {
  const { rows } = await service.pool.query<{ patient_id: string; row_id: string | null }>(
    "with gone as (delete from search_changes returning *) select patient_id, row_id from gone where xid > '0'",
  );
  return new Set(rows.map(({ patient_id: of, row_id: row }) => (row === null ? of : `${of}/${row}`)));
}

test("threat: a write that no search learns of: each way to write a patient or a prescription leaves a change", async () => {
  const made = await givenPatient(doctor);
  expect(await changes()).toEqual(new Set([made]));
  const id = await givenPrescription(doctor, patientId);
  const noted = new Set([`${patientId}/${id}`]);
  expect(await changes()).toEqual(noted);
  expect((await doctor.put(`/v1/prescriptions/${id}`, { ...ASPIRIN, patientId })).status).toBe(200);
  expect(await changes()).toEqual(noted);
  expect((await doctor.patch(`/v1/patients/${patientId}`, { familyName: "Lund" })).status).toBe(200);
  expect(await changes()).toEqual(new Set([patientId]));
  expect((await doctor.delete(`/v1/prescriptions/${id}`)).status).toBe(204);
  expect(await changes()).toEqual(noted);
});

test("what an import brings leaves changes, of each patient and each row", async () => {
  const { put, patient, subject } = hospital("n-1");
  const order = (id: string) =>
    put({
      resourceType: "MedicationRequest",
      id,
      status: "active",
      intent: "order",
      medicationCodeableConcept: { text: "Metformin 500 MG" },
      subject,
    });
  const { status, body } = await load(doctor, [patient(), order("a"), order("b")]);
  expect(status).toBe(200);
  const { rows } = await service.pool.query<{ id: string }>(
    "select id from prescriptions where patient_id = $1",
    [body.patientId],
  );
  expect(rows).toHaveLength(2);
  expect(await changes()).toEqual(
    new Set([body.patientId, ...rows.map(({ id }) => `${body.patientId}/${id}`)]),
  );
});

test("two charts that become one, and two again, leave a change of each", async () => {
  const from = await givenPatient(doctor, { nationalId: "X-1" });
  const third = await givenPatient(doctor, { nationalId: "X-2" });
  await changes();
  const post = async (path: string, body: object) =>
    expect((await doctor.post(`/v1/patients/${patientId}/${path}`, body)).status).toBe(200);
  await post("merge", { from });
  expect(await changes()).toEqual(new Set([patientId, from]));
  await post("merge", { from: third });
  expect(await changes()).toEqual(new Set([patientId, third]));
  await post("unmerge", { from: third });
  expect(await changes()).toEqual(new Set([patientId, third]));
  await post("unmerge", { from });
  expect(await changes()).toEqual(new Set([patientId, from]));
});

test("a deleted patient takes their rows along, and each leaves a change", async () => {
  const ids = [await givenPrescription(doctor, patientId), await givenPrescription(doctor, patientId)];
  const from = await givenPatient(doctor, { nationalId: "X-3" });
  await doctor.post(`/v1/patients/${patientId}/merge`, { from });
  await changes();
  await service.pool.query("delete from patients where id = $1", [patientId]);
  expect(await changes()).toEqual(new Set([patientId, from, ...ids.map((id) => `${patientId}/${id}`)]));
});

test("threat: a shredded patient is found: the shred leaves a change, and so does a key that is put back", async () => {
  const { rows } = await service.pool.query<{ wrapped: Buffer }>(
    "select wrapped from subject_keys where subject_id = $1",
    [patientId],
  );
  await inTransaction(service.pool, (tx) => shred(tx, patientId));
  expect(await changes()).toEqual(new Set([patientId]));
  await service.pool.query("insert into subject_keys (subject_id, wrapped) values ($1, $2)", [
    patientId,
    rows[0]?.wrapped,
  ]);
  expect(await changes()).toEqual(new Set([patientId]));
});

test("a row that is sealed again, or put back by hand, leaves a change", async () => {
  const id = await givenPrescription(doctor, patientId);
  await changes();
  const options = { all: true, onRows: async () => undefined };
  await reseal(service.pool, service.keyring, prescriptions.table, options);
  expect(await changes()).toContain(`${patientId}/${id}`);
  const { rows } = await service.pool.query(`${prescriptions.statements.rows} where r.id = $1`, [id]);
  const value = prescriptions.table.open(service.keyring, rows[0]);
  await service.pool.query("delete from prescriptions where id = $1", [id]);
  await changes();
  for (const rev of [value.rev + 1, value.rev + 2]) {
    await inTransaction(service.pool, (tx) =>
      putBack(tx, service.keyring, prescriptions.table, rows[0].subject_key, { ...value, rev }),
    );
    expect(await changes()).toEqual(new Set([`${patientId}/${id}`]));
  }
});

test("a change is noted whatever search path its writer has, and a transaction that rolls back leaves none", async () => {
  await service.superuser(`update records.patients set rev = rev where id = '${patientId}'`);
  expect(await changes()).toEqual(new Set([patientId]));
  const rolledBack = inTransaction(service.pool, async (tx) => {
    await tx.query("update patients set rev = rev where id = $1", [patientId]);
    throw new Error("rolled back");
  });
  await expect(rolledBack).rejects.toThrow("rolled back");
  await service.pool.query("update patients set rev = rev where id = $1", [newId()]);
  expect(await changes()).toEqual(new Set());
});

test("a reading costs the same however many changes there are: its kept plan goes by the index", async () => {
  await service.pool.query(
    "insert into search_changes (patient_id, row_id) select gen_random_uuid(), gen_random_uuid() from generate_series(1, 20000)",
  );
  await service.superuser("analyze records_sys.search_changes");
  const client = await service.pool.connect();
  try {
    let plan = "";
    const explain = async (text: string) => {
      await client.query("set plan_cache_mode = force_generic_plan");
      await client.query(`prepare reading (text) as ${text}`);
      const { rows } = await client.query<{ "QUERY PLAN": string }>("explain execute reading ('1:1:')");
      plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      return { rows: [{ changed: [] }] };
    };
    await readChanges({ query: explain } as unknown as Db, null);
    expect(plan).toContain("search_changes_by_xid");
    expect(plan).not.toContain("Seq Scan on search_changes");
  } finally {
    client.release(true);
    await changes();
  }
});
