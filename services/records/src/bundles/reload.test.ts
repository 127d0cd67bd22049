import { readFileSync } from "node:fs";
import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";

type Bundle = { type: string; entry: { fullUrl: string; resource: Record<string, unknown> }[] };
const FIXTURE = new URL("../../../../e2e/fixtures/fhir/marisela-okonkwo-reyes.json", import.meta.url);
const marisela = () => JSON.parse(readFileSync(FIXTURE, "utf8")) as Bundle;
const load = (who: TestClient, bundle: unknown) => who.post<FhirImportView>("/v1/fhir", bundle);
const everything = async (who: TestClient, id: string | null, query = "") =>
  (await who.get<Bundle>(`/v1/fhir/Patient/${id}/$everything${query}`)).body;
const UNMASKED = "?unmask=nationalId,phone,email,address";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());
const treating = () => service.as({ ...actor("doctor"), purpose: "TREAT" });

test("our own $everything loads: nothing twice where it is from, and the same elsewhere", async () => {
  const [doctor, other] = [treating(), treating()];
  const first = await load(doctor, marisela());
  const exported = await everything(doctor, first.body.patientId, UNMASKED);
  expect(exported.type).toBe("searchset");
  expect(await load(doctor, exported)).toMatchObject({
    status: 200,
    body: { patientId: first.body.patientId, patient: "matched", existing: 20 },
  });
  const loaded = await load(other, exported);
  const { stored, kept, existing } = first.body;
  expect(loaded.body).toMatchObject({ stored, kept, existing, type: "batch-response" });
  expect((await everything(other, loaded.body.patientId, UNMASKED)).entry).toEqual(exported.entry);
});

test("a masked $everything loads once, as a person of whom less is known", async () => {
  const [doctor, other] = [treating(), treating()];
  const masked = await everything(doctor, (await load(doctor, marisela())).body.patientId);
  const first = await load(other, masked);
  expect(first).toMatchObject({ status: 200, body: { patient: "created", stored: { records: 13 } } });
  expect(await load(other, masked)).toMatchObject({
    body: { patientId: first.body.patientId, patient: "matched", existing: 20 },
  });
});

test("a masked $everything takes nothing from the chart that it is of", async () => {
  const doctor = treating();
  const { patientId } = (await load(doctor, marisela())).body;
  const whole = (await everything(doctor, patientId, UNMASKED)).entry;
  const masked = await everything(doctor, patientId);
  expect(JSON.stringify(masked)).not.toEqual(JSON.stringify({ ...masked, entry: whole }));
  const again = await load(doctor, masked);
  expect(again).toMatchObject({ status: 200, body: { patientId, patient: "matched", updated: 0 } });
  expect(again.body.unapplied).toBeGreaterThan(0);
  expect((await everything(doctor, patientId, UNMASKED)).entry).toEqual(whole);
});

test("the $everything of a patient who was written here loads, with all that was written", async () => {
  const [doctor, other] = [treating(), treating()];
  const id = await givenPatient(doctor);
  const record = { type: "lab", title: "Sodium", body: "140", occurredAt: "2026-01-01T00:00:00Z" };
  await doctor.post(`/v1/patients/${id}/records`, record);
  await doctor.post("/v1/prescriptions", {
    patientId: id,
    medication: "Aspirin",
    dosage: "1",
    startDate: "2026-01-01",
  });
  expect(await load(other, await everything(doctor, id, UNMASKED))).toMatchObject({
    status: 200,
    body: { patient: "created", stored: { patients: 1, records: 1, prescriptions: 1 } },
  });
});

test.each(["collection", "document"])("a %s loads as a transaction does", async (type) => {
  expect(await load(treating(), { ...marisela(), type })).toMatchObject({
    status: 200,
    body: { patient: "created", stored: { records: 13, prescriptions: 2, claims: 1 } },
  });
});
