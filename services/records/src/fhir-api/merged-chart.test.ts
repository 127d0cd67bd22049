import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";

type Entry = { resource: { resourceType: string; id: string; [field: string]: unknown } };
type Page = { total: number; entry?: Entry[]; link: { relation: string; url: string }[] };

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

const NOTE = { type: "note", body: "Well", occurredAt: "2026-01-01T00:00:00Z" };
const noteOn = async (patientId: string, title: string) =>
  (await doctor.post<{ id: string }>(`/v1/patients/${patientId}/records`, { ...NOTE, title })).body.id;
const FORM = { headers: { "content-type": "application/x-www-form-urlencoded" } };

/** Two charts of one person, merged. */
async function givenMerged() {
  const survivor = await givenPatient(doctor);
  const merged = await givenPatient(doctor, { familyName: "Formerly", nationalId: "SECRET-7781-1" });
  const notes = { survivor: await noteOn(survivor, "One"), merged: await noteOn(merged, "SECRET-7781-1") };
  const done = await doctor.post(`/v1/patients/${survivor}/merge`, { from: merged });
  expect(done.status).toBe(200);
  return { survivor, merged, notes };
}

test("both ids of a merged chart lead to all of it, and its pages mask by both patients", async () => {
  const { survivor, merged } = await givenMerged();
  for (const id of [survivor, merged]) {
    const { body } = await doctor.get<Page>(`/v1/fhir/Patient/${id}/$everything`);
    expect(body.total).toBe(4);
    expect(body.entry?.map(({ resource }) => resource.resourceType)).toEqual([
      ...["Patient", "Patient", "DocumentReference", "DocumentReference"],
    ]);
    const paged: Entry[] = [];
    let next: string | undefined = `/v1/fhir/Patient/${id}/$everything?_count=1`;
    while (next) {
      const page: Page = (await doctor.get<Page>(next)).body;
      paged.push(...(page.entry ?? []));
      next = page.link.find(({ relation }) => relation === "next")?.url;
    }
    expect(paged).toEqual(body.entry);
    expect(JSON.stringify(body)).not.toContain("SECRET-7781-1");
  }
});

test("what was of the merged patient is read and found as the surviving one's", async () => {
  const { survivor, merged, notes } = await givenMerged();
  for (const id of Object.values(notes)) {
    expect((await doctor.get(`/v1/fhir/DocumentReference/${id}`)).body).toMatchObject({
      subject: { reference: `Patient/${survivor}` },
    });
  }
  for (const id of [survivor, merged]) {
    const { body } = await doctor.get<Page>(
      `/v1/fhir/DocumentReference?patient=${id}&_include=DocumentReference:patient`,
    );
    expect(body.entry?.map(({ resource }) => resource.id)).toEqual([...Object.values(notes), survivor]);
    expect((await doctor.get(`/v1/fhir/Patient/${id}`)).body).toMatchObject({ id: survivor });
  }
  const found = await doctor.post<Page>("/v1/fhir/Patient/_search", "family=Formerly", FORM);
  expect(found.body.entry?.map(({ resource }) => resource.id)).toContain(survivor);
  expect(found.body.entry?.map(({ resource }) => resource.id)).not.toContain(merged);
});

test("threat: a chart that was taken out of a merge again is still shown with the other", async () => {
  const { survivor, merged, notes } = await givenMerged();
  expect((await doctor.post(`/v1/patients/${survivor}/unmerge`, { from: merged })).status).toBe(200);
  const { body } = await doctor.get<Page>(`/v1/fhir/Patient/${survivor}/$everything`);
  expect(body.total).toBe(2);
  expect(JSON.stringify(body)).not.toContain(notes.merged);
  expect((await doctor.get<Page>(`/v1/fhir/DocumentReference?patient=${merged}`)).body.total).toBe(1);
});
