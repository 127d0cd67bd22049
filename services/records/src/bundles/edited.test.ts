import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";
import { ORIGINALS } from "../fhir/lay.testdata.ts";

// An edit through the API keeps the rest (K05): the original is given back with the edit in it, and
// nothing else changed.

type Entry = { fullUrl: string; resource: Record<string, unknown> };
type Bundle = { entry: Entry[] };
type Row = { id: string } & Record<string, unknown>;
const PATIENT = "urn:uuid:29145fc6-da4e-4607-a7e1-59f3a9e270d9";
const bundle = {
  resourceType: "Bundle",
  type: "transaction",
  entry: ORIGINALS.map((resource, index) => ({
    fullUrl: index === 0 ? PATIENT : `https://elsewhere.example/${resource.resourceType}/${index}`,
    resource,
    request: { method: "POST", url: resource.resourceType },
  })),
};

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

const load = (who: TestClient) => who.post<FhirImportView>("/v1/fhir", bundle);
const exported = async (who: TestClient, id: string | null) => {
  const path = `/v1/fhir/Patient/${id}/$everything?unmask=nationalId,phone,email,address`;
  const { entry } = (await who.get<Bundle>(path)).body;
  return new Map(entry.map((one) => [one.fullUrl, one.resource]));
};
const listed = async (who: TestClient, path: string, id: string | null) => {
  const query =
    path === "records" ? `/v1/patients/${id}/records?limit=100` : `/v1/${path}?patientId=${id}&limit=100`;
  return (await who.get<{ items: Row[] }>(query)).body.items;
};

test("an edit of each kind of row destroys nothing that was imported (K05)", async () => {
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const { patientId } = (await load(doctor)).body;
  const before = await exported(doctor, patientId);
  expect([...before.values()]).toEqual(expect.arrayContaining([...ORIGINALS]));

  expect((await doctor.patch(`/v1/patients/${patientId}`, { phone: "555-0222" })).status).toBe(200);
  for (const record of await listed(doctor, "records", patientId)) {
    const { type, title, body, code, occurredAt } = record;
    const sent = { type, title: `${title}, seen`, body, occurredAt, ...(code !== null && { code }) };
    expect((await doctor.put(`/v1/records/${record.id}`, sent)).status).toBe(200);
  }
  for (const { medication, dosage, frequency, startDate, endDate, refills, status, id } of await listed(
    doctor,
    "prescriptions",
    patientId,
  )) {
    const sent = { medication, dosage, frequency, startDate, endDate, refills, status, notes: "Only this." };
    expect((await doctor.put(`/v1/prescriptions/${id}`, sent)).status).toBe(200);
  }
  const [claim] = await listed(doctor, "claims", patientId);
  expect((await doctor.patch(`/v1/claims/${claim?.id}`, { amount: 9900 })).status).toBe(200);
  expect((await doctor.post(`/v1/claims/${claim?.id}/submit`, {})).status).toBe(200);

  const after = await exported(doctor, patientId);
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [fullUrl, was] of before) {
    const is = after.get(fullUrl) ?? {};
    const changed = Object.keys({ ...was, ...is }).filter(
      (key) => JSON.stringify(was[key]) !== JSON.stringify(is[key]),
    );
    const type = String(was.resourceType);
    expect(changed, type).toEqual(EDITED[type] ?? ["code"]);
  }
  const { telecom } = after.get(PATIENT) as unknown as { telecom: { value: string }[] };
  const numbers = telecom.map(({ value }) => value);
  expect(numbers).toEqual(["555-0001", "555-0222", "555-0199", "n@example.org"]);
  // What was loaded once is known still, and its second load undoes no edit.
  expect(await load(doctor)).toMatchObject({ body: { patientId, existing: ORIGINALS.length } });
  expect(await exported(doctor, patientId)).toEqual(after);
});

const EDITED: Readonly<Record<string, string[]>> = {
  Patient: ["telecom"],
  Immunization: ["vaccineCode"],
  Encounter: ["type"],
  MedicationRequest: ["note"],
  Claim: ["status", "total"],
};

test("a patient is found by a name that was corrected, and not by what it was corrected from", async () => {
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const { patientId } = (await load(doctor)).body;
  await doctor.patch(`/v1/patients/${patientId}`, { familyName: "Marshwood" });
  const found = async (q: string) =>
    (await doctor.post<{ items: Row[] }>("/v1/patients/search", { q })).body.items.some(
      ({ id }) => id === patientId,
    );
  expect([await found("Marshwood"), await found("Maidenly"), await found("Keeper")]).toEqual([
    true,
    true,
    false,
  ]);
});

test("a version that an edit replaced keeps the original as it was", async () => {
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const { patientId } = (await load(doctor)).body;
  await doctor.patch(`/v1/patients/${patientId}`, { address: null, email: null });
  await doctor.patch(`/v1/patients/${patientId}`, { birthDate: "1961-02-03" });
  const { items } = (await doctor.get<{ items: Row[] }>(`/v1/patients/${patientId}/versions`)).body;
  expect(items.map(({ birthDate, email }) => [birthDate, email !== null])).toEqual([
    ["1961-02-03", false],
    ["1960", false],
    ["1960", true],
  ]);
  expect((await exported(doctor, patientId)).get(PATIENT)).toMatchObject({
    birthDate: "1961-02-03",
    address: [{ use: "old" }],
    deceasedDateTime: "2025-01-02",
  });
});
