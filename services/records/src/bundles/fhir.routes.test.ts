import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  givenPatient,
  type Known,
  nobody,
  type Records,
  startRecords,
  visiblePart,
} from "../../test/harness.ts";

const ROOT = new URL("../../../../", import.meta.url);
const SYNTHEA = new URL("../shared/data/fhir/synthea_r4/", ROOT);

type Bundle = {
  resourceType: string;
  type: string;
  entry: { fullUrl?: string; resource: Record<string, unknown> }[];
};
const fixture = (name: string): Bundle =>
  JSON.parse(readFileSync(new URL(`e2e/fixtures/fhir/${name}.json`, ROOT), "utf8"));
const marisela = () => fixture("marisela-okonkwo-reyes");
const load = (who: TestClient, bundle: unknown, headers = {}) =>
  who.post<FhirImportView>("/v1/fhir", bundle, { headers });
const synthea = (file: string): Bundle =>
  JSON.parse(gunzipSync(readFileSync(new URL(encodeURIComponent(file), SYNTHEA))).toString("utf8"));

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

async function counts(): Promise<Record<string, number>> {
  const { rows } = await service.context.pool.query(
    `select (select count(*) from patients) as patients, (select count(*) from medical_records) as records,
            (select count(*) from prescriptions) as prescriptions, (select count(*) from claims) as claims,
            (select count(*) from fhir_resources) as kept, (select count(*) from fhir_sources) as sources,
            (select count(*) from subject_keys) as keys, (select count(*) from care_team) as team`,
  );
  return rows[0];
}

test("a bundle becomes a patient of the doctor's, with records, prescriptions, claims, and the rest kept", async () => {
  const doctor = service.someone("doctor");
  const answer = await load(doctor, marisela());
  expect(answer).toMatchObject({
    status: 200,
    body: {
      patient: "created",
      total: 20,
      stored: { patients: 1, records: 13, prescriptions: 2, claims: 1, appointments: 0 },
      kept: { Organization: 1, Practitioner: 1, CarePlan: 1 },
      existing: 0,
    },
  });
  const id = String(answer.body.patientId);
  const events = await service.events();
  expect(events).toMatchObject([
    {
      type: "medvault.records.fhir.imported.v1",
      subject: `patient/${id}`,
      data: { patientIds: [id], details: { total: 20, records: 13, boxesSha256: expect.any(String) } },
    },
  ]);
  expect(await doctor.get(`/v1/patients/${id}`)).toMatchObject({
    body: { familyName: "Okonkwo-Reyes", birthDate: "1968-11-02", nationalId: "9••••4410" },
  });
  const { body } = await doctor.get<{ items: { type: string; occurredAt: string }[] }>(
    `/v1/patients/${id}/records`,
  );
  expect(body.items).toHaveLength(13);
  expect(body.items[0]).toMatchObject({ type: "imaging", occurredAt: "2021-04-20T16:30:00.000Z" });
  expect(await doctor.post("/v1/prescriptions/search", { q: "metform" })).toMatchObject({
    body: { items: [{ patientId: id, refills: 1 }] },
  });
  expect(await doctor.post("/v1/prescriptions/search", { q: "okonkwo" })).toMatchObject({
    body: { items: [{ patientId: id }, { patientId: id }] },
  });
  expect(await doctor.get(`/v1/claims?patientId=${id}`)).toMatchObject({
    body: { items: [{ amount: 12_916, currency: "USD", diagnosisCode: "44054006", status: "submitted" }] },
  });
});

test("imported records are signed for who imported them", async () => {
  const doctor = service.someone("doctor");
  const { body } = await load(doctor, marisela());
  const list = await doctor.get<{ items: Known[] }>(`/v1/patients/${body.patientId}/records?limit=1`);
  expect(await doctor.get(`/v1/records/${list.body.items[0]?.id}/integrity`)).toMatchObject({
    body: { valid: true, signedBy: doctor.actor.id, version: 1 },
  });
});

test("loading the same bundle twice stores nothing twice, with and without a key", async () => {
  const doctor = service.someone("doctor");
  const first = await load(doctor, marisela(), { "idempotency-key": "k1" });
  const before = await counts();
  const replay = await load(doctor, marisela(), { "idempotency-key": "k1" });
  expect(replay.body).toEqual(first.body);
  expect(replay.headers.get("idempotency-replayed")).toBe("true");
  const again = await load(doctor, marisela());
  expect(again.body).toMatchObject({
    patientId: first.body.patientId,
    patient: "matched",
    patients: [{ patientId: first.body.patientId, patient: "matched" }],
    possibleDuplicates: [],
    total: 20,
    stored: { patients: 0, records: 0, prescriptions: 0, claims: 0, appointments: 0 },
    kept: {},
    existing: 20,
  });
  expect(await counts()).toEqual(before);
});

test("a grown bundle adds what is new to the same patient", async () => {
  const doctor = service.someone("doctor");
  const first = await load(doctor, marisela());
  const grown = marisela();
  grown.entry.push({
    fullUrl: "urn:uuid:5a2c1f0e-7d44-4b7e-9a57-0f7ad3a1c001",
    resource: {
      resourceType: "Condition",
      code: { text: "Migraine <left> & O'Brien's" },
      subject: { reference: grown.entry[0]?.fullUrl },
    },
  });
  expect((await load(doctor, grown)).body).toMatchObject({
    patientId: first.body.patientId,
    patient: "matched",
    stored: { records: 1 },
    existing: 20,
  });
});

test("twenty loads at once make one patient and every resource once", async () => {
  const doctor = service.someone("doctor");
  const before = await counts();
  const answers = await Promise.all(Array.from({ length: 20 }, () => load(doctor, marisela())));
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
  expect(new Set(answers.map((answer) => answer.body.patientId)).size).toBe(1);
  expect(answers.filter((answer) => answer.body.patient === "created")).toHaveLength(1);
  const after = await counts();
  expect(Number(after.patients) - Number(before.patients)).toBe(1);
  expect(Number(after.records) - Number(before.records)).toBe(13);
  expect(Number(after.kept) - Number(before.kept)).toBe(3);
});

test("two doctors who load the same bundle have two patients, and neither learns of the other", async () => {
  const [one, other] = [service.someone("doctor"), service.someone("doctor")];
  const [a, b] = [await load(one, marisela()), await load(other, marisela())];
  expect(a.body.patientId).not.toBe(b.body.patientId);
  const alike = (body: FhirImportView) => ({
    ...body,
    patientId: null,
    patients: body.patients.length,
    entry: body.entry.map(({ response }) => response.status),
  });
  expect(alike(b.body)).toEqual(alike(a.body));
  expect(visiblePart(await one.get(`/v1/patients/${b.body.patientId}`))).toEqual(
    visiblePart(await one.get(`/v1/patients/${nobody()}`)),
  );
  const { body } = await one.get<{ items: Known[] }>("/v1/patients");
  expect(body.items.map((item) => item.id)).toEqual([a.body.patientId]);
});

test("a colleague on the care team loads into the shared patient", async () => {
  const [doctor, colleague] = [service.someone("doctor"), service.someone("doctor")];
  const { body } = await load(doctor, marisela());
  await doctor.put(`/v1/patients/${body.patientId}/care-team/${colleague.actor.id}`);
  expect((await load(colleague, marisela())).body).toMatchObject({
    patientId: body.patientId,
    patient: "matched",
  });
});

test("of two charts of the very same resource the first is taken, and the other is named", async () => {
  const [doctor, colleague] = [service.someone("doctor"), service.someone("doctor")];
  const first = await load(doctor, marisela());
  const { body } = await load(colleague, marisela());
  await colleague.put(`/v1/patients/${body.patientId}/care-team/${doctor.actor.id}`);
  expect(await load(doctor, marisela())).toMatchObject({
    status: 200,
    body: { patientId: first.body.patientId, patient: "matched", possibleDuplicates: [body.patientId] },
  });
});

test("a bundle with one bad resource stores nothing, and says where it is bad and not what it said", async () => {
  const doctor = service.someone("doctor");
  const before = await counts();
  const bad = marisela();
  const at = bad.entry.findIndex((entry) => entry.resource.resourceType === "Observation");
  (bad.entry[at] as Bundle["entry"][0]).resource.effectiveDateTime = "Markedday-the-4th";
  const answer = await load(doctor, bad);
  expect(answer).toMatchObject({
    status: 400,
    body: { code: "invalid_input", errors: [{ path: `entry.${at}.resource.effectiveDateTime` }] },
  });
  expect(JSON.stringify(answer.body)).not.toContain("Markedday");
  expect(await counts()).toEqual(before);
});

test("a failure half-way through the statements stores nothing and announces nothing", async () => {
  await service.events();
  const doctor = service.someone("doctor");
  const before = await counts();
  // The last table that an import writes: everything before it has been written by then.
  await service.superuser("alter table records.fhir_sources add constraint refused check (false) not valid");
  try {
    expect(await load(doctor, marisela())).toMatchObject({ status: 500, body: { code: "internal_error" } });
  } finally {
    await service.superuser("alter table records.fhir_sources drop constraint refused");
  }
  expect(await counts()).toEqual(before);
  expect((await service.events()).filter((event) => event.type.includes("imported"))).toEqual([]);
  expect((await load(doctor, marisela())).body.stored.patients).toBe(1);
});

test("a bundle without a patient is kept under who loaded it, once", async () => {
  const doctor = service.someone("doctor");
  const bundle = {
    resourceType: "Bundle",
    type: "batch",
    entry: [
      {
        fullUrl: "urn:uuid:6b9f6a3a-6f0e-4b1d-9a37-3a6f4b6c0001",
        resource: { resourceType: "Organization" },
      },
    ],
  };
  expect((await load(doctor, bundle)).body).toMatchObject({
    patientId: null,
    patient: "none",
    kept: { Organization: 1 },
  });
  expect((await load(doctor, bundle)).body).toMatchObject({ kept: {}, existing: 1 });
  expect((await load(service.someone("doctor"), bundle)).body).toMatchObject({ kept: { Organization: 1 } });
});

test("nothing of a bundle is readable at rest, and nothing of it is in the events", async () => {
  const doctor = service.someone("doctor");
  await service.events();
  await load(doctor, fixture("torvald-obradaigh"));
  const [dump, events] = [(await service.dump()).toLowerCase(), JSON.stringify(await service.events())];
  for (const mark of [
    "Brádaigh",
    "Torvald",
    "999-58-2093",
    "Albuterol",
    "Viral sinusitis",
    "Saltmarsh",
    "MV-000582",
  ]) {
    expect(events).not.toContain(mark);
    for (const encoding of ["utf8", "hex", "utf16le"] as const) {
      const form =
        encoding === "utf16le"
          ? Buffer.from(mark, encoding).toString("hex")
          : Buffer.from(mark).toString(encoding);
      expect(dump).not.toContain(form.toLowerCase());
    }
  }
});

test("everything comes back as it went in, with a person's sensitive fields masked until unmasked", async () => {
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  const sent = fixture("torvald-obradaigh");
  const { body } = await load(doctor, sent);
  const path = `/v1/fhir/Patient/${body.patientId}/$everything`;
  const masked = await doctor.get<Bundle>(path);
  expect(masked.status).toBe(200);
  expect(masked.headers.get("content-type")).toContain("application/fhir+json");
  expect(JSON.stringify(masked.body)).not.toMatch(
    /999-58-2093|555-019-2284|torvald\.obradaigh|Cooper's Wharf/,
  );
  const bare = await doctor.get<Bundle>(`${path}?unmask=nationalId,phone,email,address`);
  const byUrl = (bundle: Bundle) => new Map(bundle.entry.map((entry) => [entry.fullUrl, entry.resource]));
  expect(byUrl(bare.body)).toEqual(byUrl(sent));
  const types = (await service.events()).map((event) => event.type);
  expect(types.slice(-2)).toEqual([
    "medvault.records.fhir.exported.v1",
    "medvault.records.patient.unmasked.v1",
  ]);
});

test("a patient who was written here is exported in FHIR as well", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  const record = { title: "Seen", body: "BP <120 & O'Brien", occurredAt: "2026-01-01T00:00:00Z" };
  for (const type of "note diagnosis lab imaging procedure allergy immunization".split(" ")) {
    expect((await doctor.post(`/v1/patients/${id}/records`, { ...record, type })).status).toBe(201);
  }
  await doctor.post("/v1/prescriptions", {
    patientId: id,
    medication: "Aspirin",
    dosage: "1",
    startDate: "2026-01-01",
  });
  const claim = {
    providerId: nobody(),
    diagnosisCode: "E11.9",
    diagnosis: "d",
    treatment: "t",
    amount: 1250,
    currency: "EUR",
  };
  await doctor.post("/v1/claims", { patientId: id, ...claim });
  const { body } = await doctor.get<Bundle>(`/v1/fhir/Patient/${id}/$everything`);
  expect(body.entry.map((entry) => entry.resource.resourceType)).toEqual(
    "Patient DocumentReference Condition Observation DiagnosticReport Procedure AllergyIntolerance Immunization MedicationRequest Claim".split(
      " ",
    ),
  );
  expect(body.entry.at(-1)?.resource).toMatchObject({ total: { value: 12.5, currency: "EUR" } });
});

test("patients and auditors may not load, and a body of another type is refused", async () => {
  expect(await load(service.someone("patient"), marisela())).toMatchObject({ status: 403 });
  expect(await load(service.as(actor("auditor")), marisela())).toMatchObject({ status: 403 });
  const doctor = service.someone("doctor");
  expect(
    await doctor.post("/v1/fhir", "<Bundle/>", { headers: { "content-type": "application/fhir+xml" } }),
  ).toMatchObject({ status: 415 });
  const typed = { headers: { "content-type": "application/fhir+json" } };
  expect((await doctor.post("/v1/fhir", JSON.stringify(marisela()), typed)).status).toBe(200);
  expect((await doctor.post("/v1/fhir", "{", typed)).status).toBe(400);
  expect((await doctor.post("/v1/fhir", `{"a":"${"x".repeat(16 * 1024 * 1024)}"}`, typed)).status).toBe(413);
  // No body at all was met by generated requests, as a 500.
  expect(await service.someone("doctor").post("/v1/fhir")).toMatchObject({
    status: 400,
    body: { code: "invalid_input" },
  });
});

test("a bundle of more than 200 of one kind is sealed by workers and opens all the same", async () => {
  const doctor = service.someone("doctor");
  const bundle = marisela();
  const subject = { reference: bundle.entry[0]?.fullUrl };
  for (let i = 0; i < 450; i++) {
    const resource = {
      resourceType: "Observation",
      status: "final",
      code: { text: `Weight ${i}` },
      subject,
      valueInteger: i,
    };
    bundle.entry.push({ resource });
  }
  const { body } = await load(doctor, bundle);
  expect(body.stored.records).toBe(463);
  const found = await doctor.get<Bundle>(`/v1/fhir/Patient/${body.patientId}/$everything`);
  expect(found.body.entry).toHaveLength(470);
});

test.runIf(existsSync(SYNTHEA))(
  "the 15 Synthea bundles load whole, twice, and can be searched",
  { timeout: 120_000 },
  async () => {
    const doctor = service.someone("doctor");
    const files = readdirSync(SYNTHEA);
    expect(files).toHaveLength(15);
    let stored = 0;
    for (const file of files) {
      const bundle = synthea(file);
      const answer = await load(doctor, bundle);
      expect(answer.status).toBe(200);
      const { patients, records, prescriptions, claims } = answer.body.stored;
      const kept = Object.values(answer.body.kept).reduce((sum, n) => sum + n, 0);
      expect(patients + records + prescriptions + claims + kept).toBe(bundle.entry.length);
      stored += bundle.entry.length;
    }
    expect(stored).toBe(2986);
    const before = await counts();
    for (const file of files) {
      const bundle = synthea(file);
      expect((await load(doctor, bundle)).body.existing).toBe(bundle.entry.length);
    }
    expect(await counts()).toEqual(before);
    const found = await doctor.post<{ items: { medication: string }[] }>("/v1/prescriptions/search", {
      q: "aceta",
    });
    expect(found.body.items.length).toBeGreaterThan(0);
    expect(found.body.items.every((item) => /aceta/i.test(item.medication))).toBe(true);
  },
);
