import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";

type Entry = { fullUrl: string; resource: Record<string, unknown> };
const MIB = 1024 * 1024;
const SELF = "urn:uuid:7a1f7c54-4f0f-4a3c-9c0f-2b8f8a5f0d11";
const patient = { resourceType: "Patient", name: [{ family: "Hostile" }] };

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());
const treating = () => service.as({ ...actor("doctor"), purpose: "TREAT" });

/** Loads a patient with these resources about them. */
const load = (who: TestClient, ...resources: object[]) =>
  who.post<FhirImportView>("/v1/fhir", {
    resourceType: "Bundle",
    type: "collection",
    entry: [
      { fullUrl: SELF, resource: patient },
      ...resources.map((resource) => ({ resource: { ...resource, subject: { reference: SELF } } })),
    ],
  });
const everything = (who: TestClient, id: string | null, query = "") =>
  who.get<{ entry: Entry[] }>(`/v1/fhir/Patient/${id}/$everything${query}`);
const stored = async () => {
  const { rows } = await service.context.pool.query(
    "select (select count(*) from patients)::int as patients, (select count(*) from fhir_resources)::int as kept",
  );
  return rows[0];
};

test("threat: a bundle nested beyond 32 levels, or of 20,001 entries, is refused, and nothing of it is stored", async () => {
  const doctor = treating();
  const before = await stored();
  let deep: object = { url: "urn:x" };
  for (let level = 0; level < 30; level++) deep = { url: "urn:x", extension: deep };
  expect(await load(doctor, { resourceType: "Basic", extension: deep })).toMatchObject({
    status: 400,
    body: { code: "invalid_input", errors: [{ message: "must not be nested deeper than 32 levels" }] },
  });
  const many = Array.from({ length: 20_000 }, () => ({ resourceType: "Basic" }));
  expect(await load(doctor, ...many)).toMatchObject({
    status: 400,
    body: { errors: [{ path: "entry", message: "must hold at most 20000 entries" }] },
  });
  expect(await stored()).toEqual(before);
});

test("threat: Base64 of many MiB is kept as it came and given back, beside what was said with it", async () => {
  const doctor = treating();
  const data = Buffer.alloc(9 * MIB, "<zeros>").toString("base64");
  const attachment = { contentType: "application/gzip", data };
  const bomb = { resourceType: "DocumentReference", status: "current", content: [{ attachment }] };
  const answer = await load(doctor, bomb);
  expect(answer).toMatchObject({ status: 200, body: { kept: { DocumentReference: 1 } } });
  const { body } = await everything(doctor, answer.body.patientId);
  expect(body.entry.at(-1)?.resource.content).toEqual(bomb.content);
  const tooLarge = { ...attachment, data: "A".repeat(16 * MIB) };
  expect((await load(doctor, { ...bomb, content: [{ attachment: tooLarge }] })).status).toBe(413);
});

test("threat: script in a narrative or a text is data: kept as it came, sent as JSON that no browser runs", async () => {
  const doctor = treating();
  const script = "<script>alert(1)</script>";
  const text = { status: "generated", div: `<div xmlns="http://www.w3.org/1999/xhtml">${script}</div>` };
  const condition = { resourceType: "Condition", text, code: { text: `Gout ${script}` } };
  const { body } = await load(doctor, condition);
  const answer = await everything(doctor, body.patientId);
  expect(answer.body.entry.at(-1)?.resource).toEqual({ ...condition, subject: { reference: SELF } });
  expect(answer.headers.get("content-type")).toMatch(/^application\/fhir\+json/);
  expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  const records = await doctor.get<{ items: object[] }>(`/v1/patients/${body.patientId}/records`);
  expect(records.body.items).toMatchObject([{ title: `Gout ${script}`, body: `Gout ${script}`, code: null }]);
  expect(records.headers.get("content-type")).toMatch(/^application\/json/);
  expect(records.headers.get("x-content-type-options")).toBe("nosniff");
});
