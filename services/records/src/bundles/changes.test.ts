import type { FhirImportView } from "@medvault/contracts";
import { newId } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hospital, type Json, load, statusesOf } from "../../test/fhir.ts";
import { type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
});
afterAll(() => service?.close());

type Listed = { id: string; title: string; body: string; version: number };
const recordsOf = async (id: string | null) =>
  (await doctor.get<{ items: Listed[] }>(`/v1/patients/${id}/records`)).body.items;
const versionsOf = async (id: string | undefined) =>
  (await doctor.get<{ items: Listed[] }>(`/v1/records/${id}/versions`)).body.items;
const everything = async (id: string | null) =>
  (
    await doctor.get<{ entry: { resource: Json }[] }>(
      `/v1/fhir/Patient/${id}/$everything?unmask=nationalId,phone,email,address`,
    )
  ).body.entry.map(({ resource }) => resource);

test("K02: a corrected result is a new, signed version of its record, and the former one stays", async () => {
  const { patient, lab } = hospital(newId());
  const first = await load(doctor, [patient(), lab({ status: "preliminary" })]);
  const corrected = lab({ status: "corrected", valueQuantity: { value: 3.9, unit: "mmol/L" } });
  const second = await load(doctor, [patient(), corrected]);
  expect(second.body).toMatchObject({
    patientId: first.body.patientId,
    existing: 1,
    updated: 1,
    stored: { records: 0 },
  });
  expect(statusesOf(second)).toEqual(["200 OK", "200 OK"]);
  const [record, ...others] = await recordsOf(first.body.patientId);
  expect(others).toEqual([]);
  expect(record).toMatchObject({ version: 2, body: expect.stringContaining("3.9") });
  expect(record?.body).toContain("corrected");
  expect((await versionsOf(record?.id)).map(({ body }) => /\d\.\d/.exec(body)?.[0])).toEqual(["3.9", "7.9"]);
  expect(await doctor.get(`/v1/records/${record?.id}/integrity`)).toMatchObject({
    body: { valid: true, version: 2, signedBy: doctor.actor.id },
  });
  expect(second.body.entry[1]?.response).toMatchObject({
    location: `Observation/${record?.id}/_history/2`,
    etag: 'W/"2"',
  });
  expect(await everything(first.body.patientId)).toContainEqual(corrected.resource);
  const events = await service.events();
  expect(events.filter(({ type }) => type === "medvault.records.fhir.imported.v1").at(-1)).toMatchObject({
    data: { details: { updated: 1, existing: 1, boxesSha256: expect.any(String) } },
  });
  expect((await load(doctor, [patient(), corrected])).body).toMatchObject({ existing: 2, updated: 0 });
});

test("K02: an update of a patient shows in the chart, and its new identifier finds it", async () => {
  const [known, fresh] = [newId(), newId()];
  const sent = (more: Json) => ({
    fullUrl: `urn:uuid:${newId()}`,
    resource: {
      resourceType: "Patient",
      identifier: [{ system: "urn:oid:2.999.7.5", value: known }],
      name: [{ family: "Mover", given: ["Lea"] }],
      birthDate: "1960-01-01",
      ...more,
    },
    request: { method: "POST", url: "Patient" },
  });
  const phone = (value: string) => [{ system: "phone", value }];
  const first = await load(doctor, [sent({ telecom: phone("555-0001") })]);
  const id = first.body.patientId;
  const identifier = [
    { system: "urn:oid:2.999.7.5", value: known },
    { system: "urn:oid:2.999.7.6", value: fresh },
  ];
  const moved = { identifier, telecom: phone("555-0002"), deceasedDateTime: "2026-01-02" };
  expect((await load(doctor, [sent(moved)])).body).toMatchObject({ patientId: id, updated: 1 });
  expect((await doctor.get(`/v1/patients/${id}?unmask=phone`)).body).toMatchObject({ phone: "555-0002" });
  expect(await everything(id)).toMatchObject([{ deceasedDateTime: "2026-01-02" }]);
  expect((await doctor.get<{ items: unknown[] }>(`/v1/patients/${id}/versions`)).body.items).toHaveLength(2);
  const byNew = await load(doctor, [sent({ ...moved, identifier: [identifier[1]] })]);
  expect(byNew.body).toMatchObject({ patientId: id, patient: "matched" });
});

test("K03: two results under one accession number are two, and loading both again stores nothing", async () => {
  const number = newId();
  const result = (text: string, value: number) => [
    {
      fullUrl: `urn:uuid:${newId()}`,
      resource: {
        resourceType: "Patient",
        identifier: [{ system: "urn:oid:2.999.7.3", value: number }],
        name: [{ family: "Accession" }],
      },
    },
    {
      fullUrl: `urn:uuid:${newId()}`,
      resource: {
        resourceType: "Observation",
        status: "final",
        code: { text },
        effectiveDateTime: "2024-05-06T07:08:09Z",
        identifier: [{ system: "https://lab.example/accession", value: `ACC-${number}` }],
        valueQuantity: { value, unit: "x" },
      },
    },
  ];
  const about = (entries: ReturnType<typeof result>) => {
    (entries[1] as { resource: Json }).resource.subject = { reference: entries[0]?.fullUrl };
    return entries;
  };
  const first = await load(doctor, about(result("Sodium", 140)));
  await load(doctor, about(result("Troponin", 900)));
  const titles = async () => (await recordsOf(first.body.patientId)).map(({ title }) => title).sort();
  expect(await titles()).toEqual(["Sodium", "Troponin"]);
  const again = await load(doctor, about(result("Troponin", 900)));
  expect(again.body).toMatchObject({ existing: 2, updated: 0, stored: { records: 0 } });
  expect((await load(doctor, about(result("Troponin", 901)))).body).toMatchObject({ updated: 1 });
  expect(await titles()).toEqual(["Sodium", "Troponin"]);
});

test("K03: a urn:uuid that is used again for something else is something else", async () => {
  const [{ patient, subject }, again] = [hospital(newId()), `urn:uuid:${newId()}`];
  const one = (text: string, value: number) => ({
    fullUrl: again,
    resource: { resourceType: "Observation", status: "final", code: { text }, subject, valueInteger: value },
  });
  const first = await load(doctor, [patient(), one("Sodium", 140)]);
  expect((await load(doctor, [patient(), one("Troponin", 900)])).body).toMatchObject({
    stored: { records: 1 },
  });
  expect((await load(doctor, [patient(), one("Sodium", 141)])).body).toMatchObject({ updated: 1 });
  const records = await recordsOf(first.body.patientId);
  expect(records.map(({ body }) => body).sort()).toEqual(["Value: 141", "Value: 900"]);
});

test("what was entered in error is shown no more, with its history kept, and comes back as it is", async () => {
  const { patient, lab, put, subject } = hospital(newId());
  const order = (status: string) =>
    put({
      resourceType: "MedicationRequest",
      id: "m",
      status,
      intent: "order",
      subject,
      medicationCodeableConcept: { text: "Digoxin" },
    });
  const diagnosis = (code: string) =>
    put({
      resourceType: "Condition",
      id: "c",
      code: { text: "Asthma" },
      subject,
      verificationStatus: { coding: [{ code }] },
    });
  const first = await load(doctor, [patient(), lab(), order("active"), diagnosis("confirmed")]);
  const id = first.body.patientId;
  const [record] = await recordsOf(id);
  const wrong = [lab({ status: "entered-in-error" }), order("entered-in-error"), diagnosis("refuted")];
  const second = await load(doctor, [patient(), ...wrong]);
  expect(second.body).toMatchObject({ existing: 1, updated: 3, stored: { records: 0 }, kept: {} });
  expect(await recordsOf(id)).toEqual([]);
  expect((await doctor.get(`/v1/prescriptions?patientId=${id}`)).body).toMatchObject({
    items: [{ status: "entered-in-error", medication: "Digoxin" }],
  });
  expect((await versionsOf(record?.id)).length).toBeGreaterThan(0);
  expect(await everything(id)).toEqual(expect.arrayContaining(wrong.map(({ resource }) => resource)));
  expect(await everything(id)).toHaveLength(4);
  expect((await load(doctor, [patient(), ...wrong])).body).toMatchObject({ existing: 4 });
  // Nothing but a newer version makes it so again.
  expect((await load(doctor, [patient(), lab()])).body).toMatchObject({ unapplied: 1 });
  const revived = lab({ meta: { lastUpdated: "2030-01-01T00:00:00Z" } });
  const wrongAt = lab({ status: "entered-in-error", meta: { lastUpdated: "2029-01-01T00:00:00Z" } });
  await load(doctor, [patient(), wrongAt]);
  expect((await load(doctor, [patient(), revived])).body).toMatchObject({ updated: 1 });
  expect(await recordsOf(id)).toMatchObject([{ body: expect.stringContaining("7.9") }]);
  expect(await everything(id)).toHaveLength(4);
});

test.each([
  ["lastUpdated", { lastUpdated: "2026-01-02T00:00:00Z" }, { lastUpdated: "2026-01-01T23:00:00+00:00" }],
  ["versionId", { versionId: "10" }, { versionId: "9" }],
])("what is older by meta.%s is reported and not applied", async (_what, newer, older) => {
  const { patient, lab } = hospital(newId());
  const first = await load(doctor, [patient(), lab({ meta: newer })]);
  const late = lab({ meta: older, valueQuantity: { value: 1.1 } });
  const second = await load(doctor, [patient(), late]);
  expect(second.body).toMatchObject({ updated: 0, unapplied: 1 });
  expect(statusesOf(second)).toEqual(["200 OK", "200 OK warning"]);
  expect(await recordsOf(first.body.patientId)).toMatchObject([{ version: 1 }]);
});

test("an edit made here outlives the load that it corrected, and gives way to a newer one", async () => {
  const { patient, lab } = hospital(newId());
  const first = await load(doctor, [patient(), lab()]);
  const [record] = await recordsOf(first.body.patientId);
  const edit = { type: "lab", title: "Potassium", body: "repeated: 4.0", occurredAt: "2024-05-06T07:08:09Z" };
  expect((await doctor.put(`/v1/records/${record?.id}`, edit)).status).toBe(200);
  expect((await load(doctor, [patient(), lab()])).body).toMatchObject({ existing: 2 });
  expect(await recordsOf(first.body.patientId)).toMatchObject([{ body: "repeated: 4.0" }]);
  await load(doctor, [patient(), lab({ status: "amended", valueQuantity: { value: 4.1 } })]);
  expect(await recordsOf(first.body.patientId)).toMatchObject([
    { version: 3, body: expect.stringContaining("4.1") },
  ]);
  expect(await versionsOf(record?.id)).toHaveLength(3);
});

test("of ten corrections at once each is a version, and one is the last", async () => {
  const { patient, lab } = hospital(newId());
  const first = await load(doctor, [patient(), lab()]);
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      load(doctor, [patient(), lab({ status: "corrected", valueQuantity: { value: 10 + n } })]),
    ),
  );
  expect(answers.map(({ status, body }) => [status, body.updated])).toEqual(answers.map(() => [200, 1]));
  const [record, ...others] = await recordsOf(first.body.patientId);
  expect(others).toEqual([]);
  expect(record?.version).toBe(11);
  const values = (await versionsOf(record?.id)).map(({ body }) => /Value: (\S+)/.exec(body)?.[1]);
  expect(new Set(values).size).toBe(11);
});

test("what is kept as it came is replaced too, and what is of nobody is stored beside", async () => {
  const { patient, put, subject } = hospital(newId());
  const plan = (title: string) => put({ resourceType: "CarePlan", id: "plan", title, subject });
  const first = await load(doctor, [patient(), plan("one")]);
  expect((await load(doctor, [patient(), plan("two")])).body).toMatchObject({ updated: 1, kept: {} });
  expect(await everything(first.body.patientId)).toContainEqual(plan("two").resource);
  expect(await everything(first.body.patientId)).toHaveLength(2);
  const { rows } = await service.context.pool.query(
    "select count(*)::int as n from row_versions where kind = 'fhir-resource' and patient_id = $1",
    [first.body.patientId],
  );
  expect(rows).toEqual([{ n: 1 }]);
  const clinic = (name: string) => put({ resourceType: "Organization", id: "o", name });
  expect((await load(doctor, [clinic("A")])).body).toMatchObject({ kept: { Organization: 1 } });
  expect((await load(doctor, [clinic("B")])).body).toMatchObject({ updated: 1 });
  expect((await load(doctor, [clinic("B")])).body).toMatchObject({ existing: 1 });
});

test("a claim changes until it is decided here, and its cancellation rejects it", async () => {
  const { patient, put, subject } = hospital(newId());
  const claim = (value: number, status = "active") =>
    put({
      resourceType: "Claim",
      id: "c",
      status,
      use: "claim",
      patient: subject,
      total: { value, currency: "USD" },
    });
  const first = await load(doctor, [patient(), claim(10)]);
  const shown = async () =>
    (
      await doctor.get<{ items: { id: string; amount: number; status: string }[] }>(
        `/v1/claims?patientId=${first.body.patientId}`,
      )
    ).body.items;
  expect((await load(doctor, [patient(), claim(20)])).body).toMatchObject({ updated: 1 });
  expect(await shown()).toMatchObject([{ amount: 2000, status: "submitted" }]);
  await service.someone("admin").post(`/v1/claims/${(await shown())[0]?.id}/approve`, {});
  expect((await load(doctor, [patient(), claim(99_999)])).body).toMatchObject({ updated: 0, unapplied: 1 });
  expect(await shown()).toMatchObject([{ amount: 2000, status: "approved" }]);
  const other = hospital(newId());
  const { body } = await load(doctor, [
    other.patient(),
    { ...claim(10), resource: { ...claim(10).resource, patient: other.subject } },
  ]);
  expect(body.stored.claims).toBe(1);
});

test("the same resource under another patient is another one: nothing moves", async () => {
  const [one, two] = [hospital(newId()), hospital(newId())];
  const first = await load(doctor, [one.patient(), one.lab()]);
  const moved = { ...one.lab(), resource: { ...one.lab().resource, subject: two.subject } };
  const second = await load(doctor, [two.patient(), moved]);
  expect(second.body.patientId).not.toBe(first.body.patientId);
  expect(second.body).toMatchObject({ stored: { records: 1 }, updated: 0 });
  expect(await recordsOf(first.body.patientId)).toHaveLength(1);
});

test("a repeated request gives the same answer, entry by entry", async () => {
  const { patient, lab } = hospital(newId());
  const key = { "idempotency-key": newId() };
  const first = await load(doctor, [patient(), lab()], "transaction", key);
  const replayed = await load(doctor, [patient(), lab()], "transaction", key);
  expect(replayed.body).toEqual(first.body satisfies FhirImportView);
});

test("of a merged chart each resource is known by every id, and stays whose it is", async () => {
  const [one, two] = [hospital(newId()), hospital(newId())];
  const [from, into] = [await load(doctor, [one.patient(), one.lab()]), await load(doctor, [two.patient()])];
  const merged = await doctor.post(`/v1/patients/${into.body.patientId}/merge`, {
    from: from.body.patientId,
  });
  expect(merged.status).toBe(200);
  const corrected = one.lab({ status: "corrected", valueQuantity: { value: 3.9 } });
  const about = { ...corrected, resource: { ...corrected.resource, subject: two.subject } };
  expect((await load(doctor, [two.patient(), about])).body).toMatchObject({
    updated: 1,
    stored: { records: 0 },
  });
  expect(await recordsOf(into.body.patientId)).toMatchObject([
    { version: 2, body: expect.stringContaining("3.9") },
  ]);
  expect((await load(doctor, [two.patient(), about])).body).toMatchObject({ existing: 2 });
});

test("a corrected result reads corrected in the report that shows it, unless that was edited here", async () => {
  const { patient, lab, put, subject } = hospital(newId());
  const result = [{ reference: "Observation/k" }];
  const report = put({
    resourceType: "DiagnosticReport",
    id: "r",
    status: "final",
    code: { text: "Panel" },
    result,
    subject,
  });
  const first = await load(doctor, [patient(), lab(), report]);
  const shown = async () => (await recordsOf(first.body.patientId)).find(({ title }) => title === "Panel");
  expect((await shown())?.body).toContain("7.9");
  const corrected = (value: number) => lab({ status: "corrected", valueQuantity: { value, unit: "mmol/L" } });
  expect((await load(doctor, [patient(), corrected(3.9), report])).body).toMatchObject({
    updated: 2,
    existing: 1,
  });
  expect(await shown()).toMatchObject({ version: 2, body: expect.stringContaining("3.9") });
  const note = lab({ status: "corrected", valueQuantity: { value: 3.9, unit: "mmol/L" }, comment: "x" });
  expect((await load(doctor, [patient(), note, report])).body).toMatchObject({ updated: 1, existing: 2 });
  const edit = { type: "lab", title: "Panel", body: "looked at", occurredAt: "2024-05-06T07:08:09Z" };
  await doctor.put(`/v1/records/${(await shown())?.id}`, edit);
  await load(doctor, [patient(), corrected(4.2), report]);
  expect(await shown()).toMatchObject({ body: "looked at" });
});
