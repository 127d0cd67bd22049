import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  nobody,
  type Records,
  startRecords,
} from "../../test/harness.ts";

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

interface Entry {
  id: string;
  damaged?: true;
  version?: number;
}
const NOTE = { type: "note", title: "Cough", body: "Dry", occurredAt: "2026-01-02T03:04:05Z" };
const CLAIM = { diagnosisCode: "E11", diagnosis: "d", treatment: "t", amount: 100, currency: "EUR" };

/** Flips one bit of a column, as a disk does it: no trigger, no revision tells. */
async function flip(table: string, column: string, where: string, id: string): Promise<void> {
  const { rowCount } = await service.context.pool.query(
    `update ${table} set ${column} = set_bit(${column}, length(${column}) * 4, 1 - get_bit(${column}, length(${column}) * 4))
      where ${where} = $1`,
    [id],
  );
  expect(rowCount, table).toBe(1);
}

/** A doctor of their own, two patients, and two of each kind for the first of them. */
async function given() {
  doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const other = await givenPatient(doctor);
  const made = async (path: string, body: object) => (await doctor.post<{ id: string }>(path, body)).body.id;
  const two = async (make: () => Promise<string>) => [await make(), await make()] as const;
  return {
    patientId,
    other,
    kinds: {
      prescriptions: await two(() => givenPrescription(doctor, patientId)),
      medical_records: await two(() => made(`/v1/patients/${patientId}/records`, NOTE)),
      claims: await two(() => made("/v1/claims", { ...CLAIM, patientId, providerId: nobody() })),
      appointments: await two(() =>
        made("/v1/appointments", {
          ...{ patientId, doctorId: nobody() },
          ...{ startsAt: "2027-01-04T09:00:00Z", endsAt: "2027-01-04T09:30:00Z" },
        }),
      ),
    },
  };
}

const PATHS = {
  prescriptions: "/v1/prescriptions",
  medical_records: "/v1/records",
  claims: "/v1/claims",
  appointments: "/v1/appointments",
};
const NOUNS = {
  prescriptions: "prescription",
  medical_records: "record",
  claims: "claim",
  appointments: "appointment",
};
type Kind = keyof typeof PATHS;

test("threat: one flipped bit hides a list: the damaged row of any kind is named, and the others are shown", async () => {
  const { patientId, kinds } = await given();
  for (const kind of Object.keys(kinds) as Kind[]) {
    const [bad, good] = kinds[kind];
    await flip(kind, "sealed", "id", bad);
    await service.events();
    const path =
      kind === "medical_records"
        ? `/v1/patients/${patientId}/records`
        : `${PATHS[kind]}?patientId=${patientId}`;
    const { status, body } = await doctor.get<{ items: Entry[] }>(path);
    expect(status, path).toBe(200);
    expect(body.items.find(({ id }) => id === bad)).toEqual({ id: bad, patientId, damaged: true });
    expect(body.items.find(({ id }) => id === good)).toMatchObject({
      id: good,
      updatedAt: expect.any(String),
    });
    const events = await service.events();
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining([`medvault.records.${NOUNS[kind]}.damaged.v1`]),
    );
    expect(events.find(({ type }) => type.endsWith(".damaged.v1"))).toMatchObject({
      subject: `${NOUNS[kind]}/${bad}`,
      data: { outcome: "failure", patientIds: [patientId], decision: { reason: "row_damaged" } },
    });
  }
});

test("threat: one flipped bit fails what has nothing to do with it: reads, changes and removals of others go on", async () => {
  const { patientId, kinds } = await given();
  const [bad, good] = kinds.prescriptions;
  await flip("prescriptions", "sealed", "id", bad);
  const drug = { medication: "Aspirin", dosage: "1", startDate: "2026-01-01", status: "active", patientId };
  expect((await doctor.get(`/v1/prescriptions/${good}`)).status).toBe(200);
  for (const q of ["acetyl", "a", "marsh"]) {
    const found = await doctor.post<{ items: Entry[] }>("/v1/prescriptions/search", { q });
    expect(found.status, q).toBe(200);
    expect(
      found.body.items.map(({ id }) => id),
      q,
    ).toContain(good);
  }
  expect((await doctor.put(`/v1/prescriptions/${good}`, drug)).status).toBe(200);
  expect((await doctor.delete(`/v1/prescriptions/${good}`)).status).toBe(204);
});

test("the damaged row itself is refused in words, changed and removed by nobody, and its versions are still shown", async () => {
  const { patientId, kinds } = await given();
  const [bad] = kinds.prescriptions;
  const drug = { medication: "Aspirin", dosage: "1", startDate: "2026-01-01", status: "active", patientId };
  await doctor.put(`/v1/prescriptions/${bad}`, drug);
  await flip("prescriptions", "sealed", "id", bad);
  const path = `/v1/prescriptions/${bad}`;
  for (const answer of [await doctor.get(path), await doctor.put(path, drug), await doctor.delete(path)]) {
    expect(answer).toMatchObject({ status: 409, body: { code: "row_damaged" } });
  }
  const { body } = await doctor.get<{ items: Entry[] }>(`${path}/versions`);
  expect(body.items).toMatchObject([
    { id: bad, damaged: true, version: 2 },
    { medication: ASPIRIN.medication, version: 1 },
  ]);
  const [note] = kinds.medical_records;
  await doctor.put(`/v1/records/${note}`, { ...NOTE, body: "Wet" });
  await flip("medical_record_versions", "sealed", "record_id", note);
  const versions = await doctor.get<{ items: Entry[] }>(`/v1/records/${note}/versions`);
  expect(versions.body.items).toMatchObject([
    { body: "Wet", version: 2 },
    { id: note, damaged: true, version: 1 },
  ]);
  expect((await service.someone("doctor").get(path)).status).toBe(404);
});

test("threat: one flipped bit in a patient's row or key hides every patient", async () => {
  for (const [table, column, where] of [
    ["patients", "sealed", "id"],
    ["subject_keys", "wrapped", "subject_id"],
  ] as const) {
    const { patientId, other, kinds } = await given();
    await flip(table, column, where, patientId);
    const listed = await doctor.get<{ items: Entry[] }>("/v1/patients");
    expect(listed.status, table).toBe(200);
    expect(listed.body.items).toContainEqual({ id: patientId, patientId, damaged: true });
    expect(listed.body.items).toContainEqual(
      expect.objectContaining({ id: other, familyName: "Marsh-O'Neil" }),
    );
    const found = await doctor.post<{ items: Entry[] }>("/v1/patients/search", { q: "marsh" });
    expect(found.body.items.map(({ id }) => id)).toEqual(expect.arrayContaining([patientId, other]));
    expect(await doctor.get(`/v1/patients/${patientId}`)).toMatchObject({
      status: 409,
      body: { code: "row_damaged" },
    });
    const drugs = await doctor.get<{ items: Entry[] }>(`/v1/prescriptions?patientId=${patientId}`);
    expect(drugs.body.items.map(({ id }) => id).sort()).toEqual([...kinds.prescriptions].sort());
  }
});

test("what is damaged is shown to every search that could mean it, of those in reach of it alone", async () => {
  const { patientId, other, kinds } = await given();
  const [bad, good] = kinds.prescriptions;
  await flip("prescriptions", "sealed", "id", bad);
  await service.events();
  const find = async (search: object, by = doctor) =>
    (await by.post<{ items: Entry[] }>("/v1/prescriptions/search", search)).body.items;
  const damaged = { id: bad, patientId, damaged: true };
  for (const q of ["acetyl", "marsh acetyl", "zzz"]) expect(await find({ q }), q).toContainEqual(damaged);
  expect(await find({ q: "zzz" })).toEqual([damaged]);
  expect((await find({ q: "acetyl" })).map(({ id }) => id).toSorted()).toEqual([bad, good].toSorted());
  const events = await service.events();
  expect(events.map(({ type }) => type)).toContain("medvault.records.prescription.damaged.v1");
  for (const narrow of [{ from: "2027-01-01" }, { status: "stopped" }, { patientId: other }]) {
    expect(await find({ q: "acetyl", ...narrow }), JSON.stringify(narrow)).toEqual([]);
  }
  expect(await find({ q: "acetyl" }, service.someone("doctor"))).toEqual([]);
  expect(await find({ q: " " })).toEqual([]);
});

test("threat: one flipped bit ends an export: what is damaged stands in the bundle as an OperationOutcome", async () => {
  const { patientId, kinds } = await given();
  const [bad] = kinds.claims;
  await flip("claims", "sealed", "id", bad);
  const everything = await doctor.get<{ total: number; entry: { resource: object }[] }>(
    `/v1/fhir/Patient/${patientId}/$everything`,
  );
  expect(everything).toMatchObject({ status: 200, body: { total: 9 } });
  expect(everything.body.entry.map(({ resource }) => resource)).toContainEqual({
    resourceType: "OperationOutcome",
    id: bad,
    issue: [
      { severity: "error", code: "exception", diagnostics: `The claim ${bad} is damaged and does not open.` },
    ],
  });
  await flip("patients", "sealed", "id", patientId);
  const without = await doctor.get<{ entry: { resource: { resourceType: string } }[] }>(
    `/v1/fhir/Patient/${patientId}/$everything`,
  );
  expect(without.body.entry.map(({ resource }) => resource.resourceType).sort()).toEqual(
    [
      "Appointment",
      "Appointment",
      "Claim",
      "MedicationRequest",
      "MedicationRequest",
      "DocumentReference",
      "DocumentReference",
      "OperationOutcome",
      "OperationOutcome",
    ].sort(),
  );
});
