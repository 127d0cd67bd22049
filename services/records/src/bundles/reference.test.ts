import { expect, test } from "vitest";
import { plan } from "../../test/plan.ts";

const UUID = "5A2C1F0E-7d44-4b7e-9a57-0f7ad3a1c001";
const BASE = "https://ehr.example/fhir";
const mrn = { system: "https://ehr.example/mrn", value: "A 12-34|5" };
const policy = {
  system: "https://payer.example/policy",
  value: "POL-7",
  type: { coding: [{ code: "MB" }] },
};
const placeholder = { system: "http://hl7.org/fhir/sid/us-ssn", value: "999-99-9999" };

async function isAttached(patient: object, subject: unknown, more: object = {}, entry: object = {}) {
  const resource = { resourceType: "Condition", code: { text: "Asthma" }, subject, ...more };
  const { id = "p", fullUrl, ...fields } = patient as { id?: string | null; fullUrl?: string };
  const person = { resourceType: "Patient", identifier: [mrn, policy, placeholder], ...fields };
  const made = await plan({
    resourceType: "Bundle",
    type: "batch",
    entry: [
      { ...(fullUrl && { fullUrl }), resource: { ...person, ...(id && { id }) } },
      { resource, ...entry },
    ],
  });
  expect(made.records.length + made.kept.length).toBe(1);
  return made.records.length === 1;
}

test.each([
  ["by id", {}, "Patient/p"],
  ["by version", {}, "Patient/p/_history/3"],
  ["encoded", { id: "p.1" }, "Patient/p%2E1"],
  ["encoded, by version", {}, "Patient%2Fp%2F_history%2F3"],
  ["by URL", { fullUrl: `${BASE}/Patient/p` }, `${BASE}/Patient/p`],
  ["by URL and version", { fullUrl: `${BASE}/Patient/p` }, `${BASE}/Patient/p/_history/3`],
  ["by the id of a URL", { id: null, fullUrl: `${BASE}/Patient/p` }, "Patient/p"],
  ["by URN in another case", { fullUrl: `urn:uuid:${UUID}` }, `urn:uuid:${UUID.toLowerCase()}`],
  ["by encoded URN", { fullUrl: `urn:uuid:${UUID}` }, `urn%3Auuid%3A${UUID}`],
  ["by the UUID of a URN", { id: null, fullUrl: `urn:uuid:${UUID}` }, `Patient/${UUID.toLowerCase()}`],
  ["by URN of a UUID", { id: UUID }, `urn:uuid:${UUID}`],
  ["by OID", { fullUrl: "urn:oid:2.999.1" }, "urn:oid:2.999.1"],
  ["by condition", {}, `Patient?identifier=${mrn.system}|${mrn.value}`],
  ["by encoded condition", {}, `Patient?identifier=${encodeURIComponent(`${mrn.system}|${mrn.value}`)}`],
])("a subject %s is the bundle's patient", async (_how, patient, reference) => {
  expect(await isAttached(patient, { reference })).toBe(true);
});

test.each([
  ["alone", { identifier: mrn }],
  ["with its type", { type: "Patient", identifier: mrn, display: "Ada" }],
  ["spelt otherwise", { identifier: { ...mrn, value: "a1234|5" } }],
])("a subject by identifier %s is the bundle's patient", async (_how, subject) => {
  expect(await isAttached({}, subject)).toBe(true);
});

test.each([
  ["another id", { reference: "Patient/q/_history/p" }],
  ["another type", { reference: "Group/p" }],
  ["another server", { reference: "https://other.example/fhir/Patient/p" }],
  ["a half escape", { reference: "Patient/p%2" }],
  ["another id with our identifier", { reference: "Patient/q", identifier: mrn }],
  ["another system", { identifier: { ...mrn, system: "https://other.example/mrn" } }],
  ["no system", { identifier: { value: mrn.value } }],
  ["another type with our identifier", { type: "RelatedPerson", identifier: mrn }],
  ["a policy that families share", { identifier: policy }],
  ["the same policy, untyped", { identifier: { system: policy.system, value: policy.value } }],
  ["a policy by condition", { reference: `Patient?identifier=${policy.system}|${policy.value}` }],
  ["a placeholder", { identifier: placeholder }],
  ["nothing", {}],
  ["null", null],
  ["text", "Patient/p"],
])("a subject by %s is never taken for the bundle's patient", async (_how, subject) => {
  expect(await isAttached({ fullUrl: `${BASE}/Patient/p` }, subject)).toBe(false);
});

test("a patient inside the resource, or of the server that the resource is from, is another", async () => {
  const contained = [{ resourceType: "Patient", id: "p", identifier: [mrn] }];
  expect(await isAttached({}, { reference: "#p" }, { contained })).toBe(false);
  const from = (base: string) => ({ fullUrl: `${base}/Condition/1` });
  const here = { fullUrl: `${BASE}/Patient/p` };
  expect(await isAttached(here, { reference: "Patient/p" }, {}, from(BASE))).toBe(true);
  expect(await isAttached(here, { reference: "Patient/p" }, {}, from("https://other.example"))).toBe(false);
});
