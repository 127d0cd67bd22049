import { actor } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exampleBundles, resourcesOf } from "../../test/examples.ts";
import { ASPIRIN, givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";
import { secondOpinion } from "../../test/r4-validator.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { findingsOf } from "../fhir/valid.ts";

type Page = FhirResource & {
  link: { relation: string; url: string }[];
  entry?: { resource: FhirResource & { id: string } }[];
};
const FHIR = { headers: { accept: "application/fhir+json" } };
const UNMASKED = "unmask=nationalId,phone,email,address";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

/** What two validators find wrong with an answer. */
const faultsOf = (resource: FhirResource): string[] => [
  ...findingsOf(resource).map(({ path, message }) => `${resource.resourceType} ${path.join(".")} ${message}`),
  ...secondOpinion(resource),
];

test("what a FHIR client reads, finds and follows is valid FHIR R4, masked and not", async () => {
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const [[, bundle] = ["", { resourceType: "Bundle", type: "collection" }]] = exampleBundles();
  const loaded = await doctor.post<{ patientId: string }>("/v1/fhir", bundle);
  const written = await givenPatient(doctor);
  const note = { type: "note", title: "Visit", body: "Well", occurredAt: null };
  const { body: record } = await doctor.post<Known>(`/v1/patients/${written}/records`, note);
  await doctor.put(`/v1/records/${record.id}`, { ...note, body: "Better" });
  await doctor.post("/v1/prescriptions", { patientId: written, ...ASPIRIN });
  const types = new Set([
    ...resourcesOf(bundle).map(({ resourceType }) => resourceType),
    "DocumentReference",
  ]);
  const answers: [string, FhirResource][] = [];
  const get = async (path: string) => {
    const { status, body } = await doctor.get<Page>(path, FHIR);
    expect([path, status]).toEqual([path, 200]);
    answers.push([path, body]);
    return body;
  };
  await get("/v1/fhir/metadata");
  const { body: deleted } = await doctor.post<Known>(`/v1/patients/${written}/records`, note);
  await doctor.delete(`/v1/records/${deleted.id}`);
  await get(`/v1/fhir/DocumentReference/${deleted.id}/_history`);
  for (const patient of [loaded.body.patientId, written]) {
    for (const query of ["_count=7", `_count=7&${UNMASKED}`])
      await get(`/v1/fhir/Patient/${patient}/$everything?${query}`);
    for (const type of types) {
      const whose = type === "Patient" ? `_id=${patient}` : `patient=${patient}`;
      const { entry = [] } = await get(`/v1/fhir/${type}?${whose}&_count=5`);
      for (const { resource } of entry.slice(0, 2)) {
        const itself = `/v1/fhir/${resource.resourceType}/${resource.id}`;
        const { meta } = await get(itself);
        await get(`${itself}?${UNMASKED}`);
        await get(`${itself}/_history`);
        await get(`${itself}/_history/${(meta as { versionId: string }).versionId}`);
      }
    }
  }
  expect(answers.length).toBeGreaterThan(40);
  const faults = answers.flatMap(([path, body]) => faultsOf(body).map((fault) => `${path} ${fault}`));
  expect(faults).toEqual([]);
});

test("a refusal is a valid OperationOutcome where FHIR is asked for", async () => {
  const doctor = service.someone("doctor");
  const refused = [
    await doctor.get<FhirResource>("/v1/fhir/Patient/0190aaaa-0000-7000-8000-000000000000", FHIR),
    await doctor.get<FhirResource>("/v1/fhir/Observation?_count=none", FHIR),
    await doctor.post<FhirResource>("/v1/fhir", { resourceType: "Bundle", type: "none" }, FHIR),
  ];
  for (const { status, body } of refused) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.resourceType).toBe("OperationOutcome");
    expect(faultsOf(body)).toEqual([]);
  }
});
