import { newId } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";
import { secondOpinion } from "../../test/r4-validator.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { expressionOf, findingsOf } from "../fhir/valid.ts";

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

const FHIR = { headers: { accept: "application/fhir+json" } };

/** What is wrong with a resource, by our own tables and by another validator. */
function faultsOf(resource: FhirResource): string[] {
  const own = findingsOf(resource).map(
    ({ path, message }) => `${expressionOf(resource.resourceType, path)} ${message}`,
  );
  return [...own, ...secondOpinion(resource)];
}

test("every kind of answer of the FHIR API is valid FHIR R4", async () => {
  const self = `urn:uuid:${newId()}`;
  const subject = { reference: self };
  const loaded = await doctor.post<{ patientId: string }>("/v1/fhir", {
    resourceType: "Bundle",
    type: "transaction",
    entry: [
      {
        fullUrl: self,
        resource: {
          resourceType: "Patient",
          identifier: [{ system: "urn:id", value: `ID-${newId()}` }],
          name: [{ family: "Valid" }],
          telecom: [{ system: "phone", value: "555-000-1234" }],
        },
      },
      {
        fullUrl: `urn:uuid:${newId()}`,
        resource: { resourceType: "Observation", status: "final", code: { text: "x" }, subject },
      },
    ],
  });
  const { patientId } = loaded.body;
  const written = await givenPatient(doctor);
  const note = { type: "note", title: "First", body: "b", occurredAt: "2026-01-01T00:00:00Z" };
  const { id } = (await doctor.post<{ id: string }>(`/v1/patients/${written}/records`, note)).body;
  await doctor.put(`/v1/records/${id}`, { ...note, title: "Second" });
  const deleted = (await doctor.post<{ id: string }>(`/v1/patients/${written}/records`, note)).body.id;
  await doctor.delete(`/v1/records/${deleted}`);
  for (const [status, path] of [
    [200, "metadata"],
    [200, `Patient/${patientId}`],
    [200, `Patient/${written}`],
    [200, `DocumentReference/${id}`],
    [200, `DocumentReference/${id}/_history`],
    [200, `DocumentReference/${id}/_history/1`],
    [200, `DocumentReference/${deleted}/_history`],
    [200, `Observation?patient=${patientId}&_include=Observation:patient`],
    [200, `Coverage?patient=${patientId}`],
    [200, "Patient?_count=1"],
    [200, `Patient/${patientId}/$everything`],
    [200, `Patient/${patientId}/$everything?_count=1`],
    [200, `Patient/${patientId}/$everything?_type=Coverage`],
    [400, "Observation?date=31/01/1980&_count=x"],
    [404, `Observation/${nobody()}`],
    [410, `DocumentReference/${deleted}`],
  ] as const) {
    const answer = await doctor.get<FhirResource>(`/v1/fhir/${path}`, FHIR);
    expect(answer.status, path).toBe(status);
    expect(faultsOf(answer.body), path).toEqual([]);
  }
});
