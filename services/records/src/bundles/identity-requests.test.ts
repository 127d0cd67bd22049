import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";
import { tokenOf } from "./preparation.service.ts";

const SYSTEM = "https://clinic.example/mrn";
const ADA = { name: [{ family: "Marsh", given: ["Ada"] }], birthDate: "1971-02-03", gender: "female" };
const UNMASKED = "?unmask=nationalId,phone,email,address";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

const treating = () => service.as({ ...actor("doctor"), purpose: "TREAT" });
let runs = 0;
const fresh = () => `R${5_000 + ++runs}3`;
const send = (who: TestClient, patient: object, request?: object, type = "transaction") =>
  who.post<FhirImportView>("/v1/fhir", {
    resourceType: "Bundle",
    type,
    entry: [
      {
        fullUrl: `urn:uuid:${crypto.randomUUID()}`,
        resource: { resourceType: "Patient", ...patient },
        ...(request && { request }),
      },
    ],
  });

test("a Patient that is put to our own id is that chart, whatever it says", async () => {
  const doctor = treating();
  const id = await givenPatient(doctor, { nationalId: "ZZ-1" });
  const put = { id, name: [{ family: "Lund", given: ["Bea"] }], birthDate: "1972-02-03", gender: "male" };
  expect(await send(doctor, put, { method: "PUT", url: `Patient/${id}` })).toMatchObject({
    status: 200,
    body: { patientId: id, patient: "matched", updated: 1, possibleDuplicates: [] },
  });
  expect((await doctor.get(`/v1/patients/${id}`)).body).toMatchObject({ familyName: "Lund", sex: "male" });
});

test("a Patient that is put to the id of a chart out of reach changes nothing of it", async () => {
  const [doctor, stranger] = [treating(), treating()];
  const id = await givenPatient(doctor);
  const answer = await send(
    stranger,
    { id, ...ADA, gender: "male" },
    { method: "PUT", url: `Patient/${id}` },
  );
  expect(answer.body.patientId).not.toBe(id);
  expect((await doctor.get(`/v1/patients/${id}`)).body).toMatchObject({ sex: "female" });
});

test("a Patient that is made only if none has its number is not made where one has", async () => {
  const doctor = treating();
  const value = fresh();
  const request = { method: "POST", url: "Patient", ifNoneExist: `identifier=${SYSTEM}|${value}` };
  const first = await send(doctor, { ...ADA, identifier: [{ system: SYSTEM, value }] }, request);
  expect(first.body).toMatchObject({ patient: "created" });
  // Also by one that says less: the condition names the number.
  const again = await send(doctor, { ...ADA, active: true }, request);
  expect(again.body).toMatchObject({ patientId: first.body.patientId, patient: "matched", existing: 1 });
});

test("charts are known by the tokens that were kept before numbers were compared without hyphens", async () => {
  const doctor = treating();
  const value = `S-${fresh()}-9`;
  const identifier = [{ system: SYSTEM, value }];
  const { patientId } = (await send(doctor, { ...ADA, identifier })).body;
  const { pool, indexes } = service.context;
  await pool.query("delete from patient_identifiers where patient_id = $1", [patientId]);
  const former = tokenOf(indexes.identifiers, "patient", JSON.stringify(["patient", SYSTEM, value]));
  await pool.query("insert into patient_identifiers (patient_id, token) values ($1, $2)", [
    patientId,
    former,
  ]);
  expect((await send(doctor, { ...ADA, identifier, active: true })).body).toMatchObject({ patientId });
  // And from now on however it is spelt.
  const spelt = [{ system: SYSTEM, value: value.replaceAll("-", " ") }];
  expect((await send(doctor, { ...ADA, identifier: spelt, active: false })).body).toMatchObject({
    patientId,
  });
});

test.each([
  ["with", { nationalId: "S7654321A" }],
  ["without", { nationalId: undefined }],
])(
  "the $everything of a patient who was written here %s a national id meets them, and stores nothing twice",
  async (_how, fields) => {
    const doctor = treating();
    const id = await givenPatient(doctor, fields);
    for (const type of "note diagnosis lab imaging procedure allergy immunization".split(" ")) {
      const record = { title: `A ${type}`, body: "Said", occurredAt: "2026-01-01T00:00:00Z", type };
      expect((await doctor.post(`/v1/patients/${id}/records`, record)).status).toBe(201);
    }
    const medicine = { patientId: id, medication: "Aspirin", dosage: "1", startDate: "2026-01-01" };
    expect((await doctor.post("/v1/prescriptions", medicine)).status).toBe(201);
    const claim = {
      providerId: doctor.actor.id,
      diagnosisCode: "E11",
      diagnosis: "d",
      treatment: "t",
      amount: 1,
      currency: "EUR",
    };
    expect((await doctor.post("/v1/claims", { patientId: id, ...claim })).status).toBe(201);
    const { body } = await doctor.get<object>(`/v1/fhir/Patient/${id}/$everything${UNMASKED}`);
    expect((await doctor.post<FhirImportView>("/v1/fhir", body)).body).toMatchObject({
      patientId: id,
      patient: "matched",
      total: 10,
      existing: 10,
      stored: { patients: 0, records: 0, prescriptions: 0, claims: 0, appointments: 0 },
    });
  },
);

test("a laboratory that knows a name and a number takes nothing from the chart", async () => {
  const doctor = treating();
  const identifier = [{ system: SYSTEM, value: fresh() }];
  const phone = { telecom: [{ system: "phone", value: "555-014-7731" }], address: [{ text: "1 Mill Road" }] };
  const { patientId } = (await send(doctor, { ...ADA, ...phone, identifier })).body;
  const byHand = await givenPatient(doctor, { nationalId: "900-55-4321", phone: "555-014-7732" });
  const number = { system: "http://hl7.org/fhir/sid/us-ssn", value: "900554321" };
  for (const [id, known] of [
    [patientId, identifier],
    [byHand, [number]],
  ] as const) {
    const before = (await doctor.get<object>(`/v1/patients/${id}${UNMASKED}`)).body;
    const little = { identifier: known, name: [{ family: "Marsh" }], gender: "unknown" };
    const said = id === patientId ? little : { ...little, birthDate: "1971-02-03" };
    const news = id === patientId ? { existing: 1, updated: 0 } : { existing: 0, updated: 1 };
    expect((await send(doctor, said)).body).toMatchObject({ patientId: id, ...news });
    const shown = ["givenName", "familyName", "birthDate", "sex", "phone", "address"] as const;
    const after = (await doctor.get<Record<string, unknown>>(`/v1/patients/${id}${UNMASKED}`)).body;
    const kept = Object.fromEntries(shown.map((field) => [field, (before as typeof after)[field]]));
    expect(after).toMatchObject(id === patientId ? kept : { ...kept, familyName: "Marsh" });
    const exported = await doctor.get(`/v1/fhir/Patient/${id}/$everything${UNMASKED}`);
    expect(JSON.stringify(exported.body)).toContain(String(after.phone));
    expect(JSON.stringify(exported.body)).toContain(String(after.birthDate));
  }
});
