import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exampleBundles } from "../../test/examples.ts";
import { ASPIRIN, givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";
import { secondOpinion } from "../../test/r4-validator.ts";
import type { FhirResource } from "../fhir/resource.ts";
import { findingsOf } from "../fhir/valid.ts";

type Bundle = FhirResource & {
  entry: { resource: FhirResource }[];
  link?: { relation: string; url: string }[];
};

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());
const treating = () => service.as({ ...actor("doctor"), purpose: "TREAT" });

/** What two validators find wrong with everything of a patient, masked and not. */
async function faultsOf(doctor: TestClient, id: string | null, count: number): Promise<string[]> {
  const faults: string[] = [];
  for (const query of ["", "?unmask=nationalId,phone,email,address"]) {
    const { status, body } = await doctor.get<Bundle>(`/v1/fhir/Patient/${id}/$everything${query}`);
    expect({ status, entries: body.entry.length }).toEqual({ status: 200, entries: count });
    for (const resource of [...body.entry.map((entry) => entry.resource), body]) {
      const ours = findingsOf(resource).map(({ path, message }) => `${path.join(".")} ${message}`);
      faults.push(
        ...[...ours, ...secondOpinion(resource)].map((fault) => `${resource.resourceType} ${fault}`),
      );
    }
  }
  return [...new Set(faults)];
}

/** Each text as people write it, and as nobody should. */
const TEXTS = ["Sodium 140 mmol/L\n\tnormal", "a\ffeed", " ", "\u0001", "  two  blanks ", "👩‍⚕️ ½ tablet"];
const CODES = [
  { system: "http://hl7.org/fhir/sid/icd-10", code: "E11.9", display: " " },
  { system: "urn:oid:2.999", code: "a\tb" },
  { code: "x", display: "words\f" },
];
/** All choices of one value for each field, as many as there are; undefined leaves it out. */
function combinations(fields: Record<string, readonly unknown[]>): Record<string, unknown>[] {
  return Object.entries(fields).reduce<Record<string, unknown>[]>(
    (all, [name, values]) =>
      all.flatMap((one) => values.map((value) => (value === undefined ? one : { ...one, [name]: value }))),
    [{}],
  );
}

test("what was written here leaves as valid FHIR R4, whatever fields it has", async () => {
  const doctor = treating();
  const id = await givenPatient(doctor);
  const made = async (path: string, body: object) => {
    const answer = await doctor.post<Known>(path, body);
    expect(answer).toMatchObject({ status: 201 });
    return answer.body.id;
  };
  const records = combinations({
    type: ["note", "diagnosis", "lab", "imaging", "procedure", "allergy", "immunization"],
    code: [undefined, "E11.9", " E11  9 ", ...CODES],
    occurredAt: ["2026-01-15T08:30:00.123Z", "0987-01-15T08:30:00Z", null, "1980", "1980-05", "1980-05-12"],
  });
  for (const [at, fields] of records.entries()) {
    const [title, body] = [TEXTS[at % TEXTS.length], TEXTS[(at + 1) % TEXTS.length]];
    await made(`/v1/patients/${id}/records`, { title, body, ...fields });
  }
  const prescriptions = combinations({
    frequency: [undefined, "twice a day"],
    notes: [undefined, "with food\f"],
    endDate: [undefined, "2026-02-01"],
    refills: [undefined, 0],
    code: [undefined, ...CODES],
  });
  for (const fields of prescriptions)
    await made("/v1/prescriptions", { patientId: id, ...ASPIRIN, ...fields });
  const claims = combinations({
    coded: [
      { diagnosisCode: "E11.9" },
      { diagnosisCode: "E11  9" },
      { diagnosisCode: "E11.9", diagnosisCoding: CODES[0] },
    ],
    amount: [12_345],
    currency: ["EUR", "JPY", "KWD"],
    steps: [[], ["submit"], ["submit", "approve", "pay"], ["submit", "reject"]],
  });
  for (const { steps, coded, ...fields } of claims) {
    const [diagnosis, treatment] = ["Diabetes", "Insulin\u0001"];
    const claim = {
      patientId: id,
      providerId: doctor.actor.id,
      diagnosis,
      treatment,
      ...(coded as object),
      ...fields,
    };
    const claimId = await made("/v1/claims", claim);
    for (const step of steps as string[]) {
      const who = step === "submit" ? doctor : service.someone("admin");
      expect((await who.post(`/v1/claims/${claimId}/${step}`, {})).status, step).toBe(200);
    }
  }
  const count = 1 + records.length + prescriptions.length + claims.length;
  expect(await faultsOf(doctor, id, count)).toEqual([]);
});

test("a patient who was written here leaves as valid FHIR R4, however much is known", async () => {
  const doctor = treating();
  const patients = combinations({
    birthDate: [null, "1980", "1980-05", "1980-05-12"],
    sex: ["unknown", "other"],
    names: [{ givenName: "Ada", familyName: "Marsh\u0001" }, { familyName: "Suharti" }, { givenName: "Ada" }],
    address: [undefined, "1 Row\nHarrow Falls\f"],
    contact: [{}, { nationalId: "S1234567D", phone: "555-014-7731", email: "ada@münchen.example" }],
  });
  for (const { names, contact, ...fields } of patients) {
    const answer = await doctor.post<Known>("/v1/patients", {
      ...fields,
      ...(names as object),
      ...(contact as object),
    });
    expect(answer.status).toBe(201);
    expect(await faultsOf(doctor, answer.body.id, 1)).toEqual([]);
  }
});

test("what came in valid and was edited here leaves as valid FHIR R4", async () => {
  for (const [name, bundle] of exampleBundles().slice(0, 4)) {
    const doctor = treating();
    const { body } = await doctor.post<{ patientId: string; total: number }>("/v1/fhir", bundle);
    const [id, total] = [body.patientId, body.total];
    const items = async <T>(path: string) => (await doctor.get<{ items: T[] }>(path)).body.items;
    const edits = [
      await doctor.patch(`/v1/patients/${id}`, {
        givenName: "Zoë\f",
        phone: "555-010-1234",
        birthDate: "1980-05",
      }),
    ];
    const records = await items<Known & { type: string }>(`/v1/patients/${id}/records?limit=100`);
    for (const [at, { id: record, type }] of records.entries()) {
      const said = { title: TEXTS[at % TEXTS.length], body: TEXTS[(at + 3) % TEXTS.length] };
      const occurredAt = [null, "1980", "2020-01-01T00:00:00Z"][at % 3];
      const other = at % 5 === 0 ? "diagnosis" : type;
      edits.push(await doctor.put(`/v1/records/${record}`, { ...said, occurredAt, type: other }));
    }
    for (const { id: drug } of await items<Known>(`/v1/prescriptions?patientId=${id}&limit=100`)) {
      edits.push(
        await doctor.put(`/v1/prescriptions/${drug}`, { ...ASPIRIN, frequency: "a\ffeed", refills: 2 }),
      );
    }
    expect([name, ...edits.map(({ status }) => status)]).toEqual([name, ...edits.map(() => 200)]);
    expect([name, ...(await faultsOf(doctor, id, total))]).toEqual([name]);
  }
});

test("what an import answers in FHIR is a valid Bundle, of a batch with faults too", async () => {
  const doctor = treating();
  const headers = { "content-type": "application/fhir+json", accept: "application/fhir+json" };
  const [[, bundle] = []] = exampleBundles();
  const bad = { resourceType: "Condition", subject: { reference: "Patient/x" }, onsetDateTime: "31/01/1980" };
  const post = { method: "POST", url: "Condition" };
  const batch = { resourceType: "Bundle", type: "batch", entry: [{ resource: bad, request: post }] };
  const removal = { request: { method: "DELETE", url: "Condition/0190aaaa-0000-7000-8000-000000000000" } };
  const several = { ...batch, entry: [...batch.entry, removal, { resource: {}, request: post }] };
  for (const sent of [bundle, bundle, batch, several]) {
    const { status, body } = await doctor.post<Bundle>("/v1/fhir", sent, { headers });
    expect([status, body.type]).toEqual([200, expect.stringMatching(/^(transaction|batch)-response$/)]);
    expect([...findingsOf(body), ...secondOpinion(body)]).toEqual([]);
  }
});

test("a page with nothing in it is a valid Bundle", async () => {
  const doctor = treating();
  const id = await givenPatient(doctor);
  const { status, body } = await doctor.get<Bundle>(`/v1/fhir/Patient/${id}/$everything?_type=Device`);
  expect(status).toBe(200);
  expect([...findingsOf(body), ...secondOpinion(body)]).toEqual([]);
});

test("a damaged row leaves as valid FHIR R4", async () => {
  const doctor = treating();
  const id = await givenPatient(doctor);
  const record = { type: "lab", title: "Sodium", body: "140", occurredAt: "2026-01-01T00:00:00Z" };
  const { body } = await doctor.post<Known>(`/v1/patients/${id}/records`, record);
  const { rowCount } = await service.context.pool.query(
    "update medical_records set sealed = sealed || 'x'::bytea where id = $1",
    [body.id],
  );
  expect(rowCount).toBe(1);
  expect(await faultsOf(doctor, id, 2)).toEqual([]);
});
