import { existsSync, readFileSync } from "node:fs";
import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";

const CASE = new URL("../../../../../shared/data/cases/fhir-masking-elsewhere.json", import.meta.url);

type Resource = Record<string, unknown>;
type Bundle = { entry: { fullUrl: string; resource: Resource }[] };

const SELF = "urn:uuid:1c7bdbaa-13dd-47df-90ee-ff109243473d";
const subject = { reference: SELF };
const MASKED = {
  extension: [{ url: "http://hl7.org/fhir/StructureDefinition/data-absent-reason", valueCode: "masked" }],
};
const SECRETS = {
  nationalId: ["900-55-1234", "MRN/55-8821"],
  phone: ["+1 555 019 0177", "555-018-4471"],
  email: ["leaky@example.org"],
  address: ["77 Secret Street", "1 Birth Road"],
};
const FIELDS = Object.keys(SECRETS) as (keyof typeof SECRETS)[];
const narrative = (inner: string) => ({
  status: "generated",
  div: `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`,
});
const base64 = (text: string) => Buffer.from(text).toString("base64");

const patient = {
  resourceType: "Patient",
  text: narrative("SSN 900-55-1234"),
  identifier: [
    {
      system: "http://hl7.org/fhir/sid/us-ssn",
      type: { coding: [{ code: "SS" }], text: "of 900551234" },
      value: "900-55-1234",
      _value: { extension: [{ url: "urn:rendered", valueString: "900 55 1234" }] },
    },
    { system: "urn:m", value: "MRN/55-8821" },
  ],
  name: [{ family: "Leaky" }],
  telecom: [
    { system: "phone", value: "+1 555 019 0177" },
    { system: "email", value: "leaky@example.org" },
  ],
  address: [{ use: "home", line: ["77 Secret Street"], city: "Hidden", state: "MA" }],
  contact: [{ name: { family: "Kin" }, telecom: [{ system: "phone", value: "555-018-4471" }] }],
  extension: [
    { url: "urn:birth-place", valueAddress: { line: ["1 Birth Road"], city: "Borntown" } },
    { url: "urn:other-id", valueIdentifier: { value: "900-55-1234" } },
  ],
  generalPractitioner: [{ type: "Practitioner", identifier: { system: "urn:npi", value: "1234567893" } }],
};

/** Each stands for a kind of place; what it says in clear must not be said. */
const places: Record<string, Resource> = {
  "a reference's identifier": {
    resourceType: "Observation",
    status: "final",
    code: { text: "Thing" },
    effectiveDateTime: "2024-05-06T07:08:09Z",
    valueInteger: 900551234,
    subject: { ...subject, identifier: { value: "900-55-1234" }, display: "Leaky, 900 55 1234" },
  },
  "a reference by search": {
    resourceType: "Appointment",
    status: "booked",
    participant: [
      { actor: { reference: "Patient?identifier=urn:m|MRN/55-8821" }, status: "accepted" },
      { actor: { reference: "Patient?identifier=urn%3Am%7C55-88%2D21" }, status: "accepted" },
      { actor: { reference: "Practitioner?identifier=urn:npi|1234567893" }, status: "accepted" },
      { actor: { reference: "Patient/900-55-1234", identifier: { value: "900551234" } }, status: "accepted" },
    ],
  },
  "an insurance card": {
    resourceType: "Coverage",
    id: "c.900551234",
    status: "active",
    identifier: [{ value: "POL-66-7719" }],
    beneficiary: subject,
    payor: [{ display: "Payer" }],
    subscriberId: "900-55-1234",
  },
  "a relative": {
    resourceType: "RelatedPerson",
    text: narrative("lives at 77 Secret Street"),
    patient: subject,
    identifier: [{ value: "KIN-44-1188" }],
    telecom: [{ system: "phone", value: "+1 555 019 0177" }],
    address: [{ text: "77 secret street" }],
  },
  "a narrative": {
    resourceType: "Composition",
    status: "final",
    type: { text: "x" },
    subject,
    date: "2024-01-01",
    author: [{ display: "x" }],
    title: "t",
    text: narrative("SSN 900&#45;<b>55</b>-1234, 77 Secret Street"),
    section: [{ title: "s", text: narrative("mail leaky@example.org") }],
  },
  "notes and lists of words": {
    resourceType: "Condition",
    subject,
    code: { text: "Migraine" },
    severity: { text: "see card POL 66 7719" },
    note: [{ text: "Calls from +1 (555) 019-0177." }, { text: "No aura." }],
    extension: [{ url: "urn:words", valueHumanName: { given: ["of 77 Secret Street", "Ada"] } }],
  },
  "a text attached": {
    resourceType: "DocumentReference",
    status: "current",
    subject,
    content: [
      { attachment: { contentType: "text/plain; charset=utf-8", data: base64("mail leaky@example.org") } },
      { attachment: { contentType: "text/plain", data: base64("nothing") } },
    ],
  },
  "a contained person": {
    resourceType: "Claim",
    status: "active",
    patient: { reference: "#p" },
    contained: [{ resourceType: "Patient", id: "p", identifier: [{ value: "OTHER-77-1" }] }],
  },
};
const HELD = ["POL-66-7719", "55-8821", "KIN-44-1188", "OTHER-77-1", "Borntown", "Hidden"];

const bundle = () => ({
  resourceType: "Bundle",
  type: "batch",
  entry: [
    { fullUrl: SELF, resource: patient },
    ...Object.values(places).map((resource, index) => ({
      fullUrl: `urn:uuid:87da782b-0cae-401c-88db-9178000000${10 + index}`,
      resource,
    })),
  ],
});

let service: Records;
let doctor: TestClient;
let path: string;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const { status, body } = await doctor.post<FhirImportView>("/v1/fhir", bundle());
  expect(status).toBe(200);
  path = `/v1/fhir/Patient/${body.patientId}/$everything`;
});
afterAll(() => service.close());

/** Letters and digits only, attached texts read. */
const flat = (text: string) => text.replace(/[^\p{L}\p{N}@]/gu, "").toLowerCase();
function said(body: unknown): string {
  const attached = [...JSON.stringify(body).matchAll(/"data":"([^"]+)"/g)];
  return flat(JSON.stringify(body) + attached.map(([, data]) => Buffer.from(data ?? "", "base64")).join());
}
const byType = ({ entry }: Bundle) =>
  new Map(entry.map(({ resource }) => [resource.resourceType, resource as Record<string, never>]));

test("a masked value stands nowhere in the export, however it is spelled", async () => {
  const { body } = await doctor.get<Bundle>(path);
  expect(body.entry).toHaveLength(1 + Object.keys(places).length);
  for (const secret of [...Object.values(SECRETS).flat(), ...HELD]) {
    expect(said(body), secret).not.toContain(flat(secret));
  }
  expect(JSON.stringify(body)).not.toContain("••");
  // What says nothing of the patient is still there.
  for (const open of [
    "1234567893",
    "Migraine",
    "No aura.",
    base64("nothing"),
    '"MA"',
    "2024-05-06T07:08:09Z",
  ]) {
    expect(JSON.stringify(body), open).toContain(open);
  }
});

test("each masked element says that it is absent because it is masked", async () => {
  const found = byType((await doctor.get<Bundle>(path)).body);
  const { text: _, contact, extension, ...rest } = found.get("Patient") ?? {};
  expect(rest).toMatchObject({
    identifier: [
      { system: "http://hl7.org/fhir/sid/us-ssn", _value: MASKED, type: { _text: MASKED } },
      { system: "urn:m", _value: MASKED },
    ],
    telecom: [
      { system: "phone", _value: MASKED },
      { system: "email", _value: MASKED },
    ],
    address: [{ use: "home", _line: [MASKED], _city: MASKED, state: "MA" }],
  });
  expect(contact).toEqual([{ name: { family: "Kin" }, telecom: [{ system: "phone", _value: MASKED }] }]);
  expect(extension).toMatchObject([
    { valueAddress: { _line: [MASKED] } },
    { valueIdentifier: { _value: MASKED } },
  ]);
  expect(found.get("Observation")).toMatchObject({
    _valueInteger: MASKED,
    subject: { reference: SELF, identifier: { _value: MASKED }, _display: MASKED },
  });
  expect(found.get("Coverage")).toMatchObject({ _subscriberId: MASKED, identifier: [{ _value: MASKED }] });
  expect(found.get("Appointment")).toMatchObject({
    participant: [
      { actor: { reference: SELF } },
      { actor: { _reference: MASKED } },
      { actor: { reference: "Practitioner?identifier=urn:npi|1234567893" } },
      { actor: { identifier: { _value: MASKED } } },
    ],
  });
  expect(found.get("Composition")).toMatchObject({
    text: { status: "empty", div: expect.stringContaining("withheld") },
    section: [{ title: "s", text: { status: "empty" } }],
  });
  expect(found.get("Condition")).toMatchObject({
    note: [{ _text: MASKED }, { text: "No aura." }],
    extension: [{ valueHumanName: { given: [null, "Ada"], _given: [MASKED, null] } }],
  });
  expect(found.get("DocumentReference")).toMatchObject({
    content: [{ attachment: { _data: MASKED } }, { attachment: { data: base64("nothing") } }],
  });
});

test.each(FIELDS)("unmask=%s opens that one, everywhere, and no other", async (field) => {
  const { status, body } = await doctor.get<Bundle>(`${path}?unmask=${field}`);
  expect(status).toBe(200);
  for (const other of FIELDS) {
    for (const secret of SECRETS[other]) {
      if (other === field) expect(said(body), secret).toContain(flat(secret));
      else expect(said(body), secret).not.toContain(flat(secret));
    }
  }
  const unmasked = (await service.events()).filter((event) => event.type.includes("unmasked"));
  expect(unmasked.at(-1)).toMatchObject({ data: { fields: [field], purpose: "TREAT" } });
});

test("with all of them open, everything comes back as it went in", async () => {
  const { body } = await doctor.get<Bundle>(`${path}?unmask=${FIELDS.join(",")}`);
  expect(byType(body)).toEqual(byType(bundle() as Bundle));
});

test.each([
  ["identifier.0.value", { identifier: [{ system: "urn:m", value: "9••••1234" }] }],
  ["identifier.0.value", { identifier: [{ system: "urn:m", value: "***-**-1234" }] }],
  ["telecom.1.value", { telecom: [{ value: "1" }, { value: "5••••0177" }] }],
  ["address.0.line.0", { address: [{ line: ["7••••reet"] }] }],
  ["contact.0.telecom.0.value", { contact: [{ telecom: [{ value: "••••" }] }] }],
  ["subject.identifier.value", { resourceType: "Observation", subject: { identifier: { value: "9••••1" } } }],
  ["subscriberId", { resourceType: "Coverage", subscriberId: "9••••1234" }],
])("an import with a mask in %s is refused and not stored", async (where, fields) => {
  const resource = { resourceType: "Patient", name: [{ family: "Masked" }], ...fields };
  const before = await doctor.get<{ items: unknown[] }>("/v1/patients");
  const body = { resourceType: "Bundle", type: "batch", entry: [{ fullUrl: "urn:x:1", resource }] };
  expect(await doctor.post("/v1/fhir", body)).toMatchObject({
    status: 400,
    body: {
      code: "invalid_input",
      errors: [{ path: `entry.0.resource.${where}`, message: expect.stringContaining("is a mask") }],
    },
  });
  expect((await doctor.get<{ items: unknown[] }>("/v1/patients")).body.items).toEqual(before.body.items);
});

test("our own masked export, loaded again, overwrites nothing", async () => {
  const masked = (await doctor.get<Bundle>(path)).body;
  const all = `${path}?unmask=${FIELDS.join(",")}`;
  const before = await doctor.get<Bundle>(all);
  expect((await doctor.post("/v1/fhir", { ...masked, type: "batch" })).status).toBe(200);
  expect((await doctor.get<Bundle>(all)).body).toEqual(before.body);
});

test.runIf(existsSync(CASE))(
  "of a bundle that repeats an identifier in other resources nothing leaks",
  async () => {
    const another = service.someone("doctor");
    const { body } = await another.post<FhirImportView>("/v1/fhir", JSON.parse(readFileSync(CASE, "utf8")));
    const exported = await another.get<Bundle>(`/v1/fhir/Patient/${body.patientId}/$everything`);
    expect(exported.body.entry).toHaveLength(5);
    for (const secret of ["900-55-1234", "fc16e54e-5247", "555-0177", "77 Secret Street", "1 Birth Road"]) {
      expect(said(exported.body), secret).not.toContain(flat(secret));
    }
  },
);
