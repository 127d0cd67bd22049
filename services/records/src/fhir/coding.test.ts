import { createHash } from "node:crypto";
import type { ClaimView, IntegrityView, MedicalRecordView, PrescriptionView } from "@medvault/contracts";
import { type SealedRow, sealedTable } from "@medvault/keys";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ASPIRIN, givenPatient, type Known, nobody, type Records, startRecords } from "../../test/harness.ts";
import { bundleOf, ours, patient, plan } from "../../test/plan.ts";
import { medicalRecords } from "../medical-records/record.table.ts";
import { prescriptions } from "../prescriptions/prescription.table.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { isKnownSystem, isSameSystem } from "./code-system.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const ASTHMA = { system: "http://snomed.info/sct", code: "195967001", display: "Asthma" };
const LOCAL = { system: "https://lab.example/codes", code: "A-1", display: null };
const NOTE = { type: "diagnosis", title: "Wheezing", body: "Since spring" } as const;
type Page<T> = { items: T[]; nextCursor: string | null };

async function given() {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const everything = async (type: string) =>
    (
      await doctor.get<{ entry: { resource: Record<string, unknown> }[] }>(
        `/v1/fhir/Patient/${patientId}/$everything`,
      )
    ).body.entry
      .map((entry) => entry.resource)
      .filter((resource) => resource.resourceType === type);
  return { doctor, patientId, records: `/v1/patients/${patientId}/records`, everything };
}

test.each([
  ["with its system and words", ASTHMA, { ...ASTHMA, known: true }],
  ["of a system that nobody here knows", LOCAL, { ...LOCAL, known: false }],
  ["bare, as text", "J45", { system: null, code: "J45", display: null, known: false }],
  ["bare, as a coding", { code: "J45" }, { system: null, code: "J45", display: null, known: false }],
  ["sent back as it was answered", { ...ASTHMA, known: true }, { ...ASTHMA, known: true }],
])(
  "a code %s is stored, shown, kept in versions, signed and exported as it was said",
  async (_what, sent, code) => {
    const { doctor, records, everything } = await given();
    const made = await doctor.post<MedicalRecordView>(records, { ...NOTE, code: sent });
    expect(made).toMatchObject({ status: 201, body: { code } });
    const path = `/v1/records/${made.body.id}`;
    const { known: _, ...stored } = code;
    const isBare = code.system === null && code.display === null;
    const hashed = isBare
      ? `"${code.code}"`
      : `{"code":"${code.code}","display":${JSON.stringify(stored.display)},"system":"${code.system}"}`;
    const content = `{"body":"Since spring","code":${hashed},"occurredAt":null,"title":"Wheezing","type":"diagnosis"}`;
    expect((await doctor.get<IntegrityView>(`${path}/integrity`)).body).toMatchObject({
      valid: true,
      contentHash: createHash("sha256").update(content).digest("hex"),
    });
    const said = Object.fromEntries(Object.entries(stored).filter(([, value]) => value !== null));
    expect(await everything("Condition")).toMatchObject([{ code: { coding: [said], text: "Wheezing" } }]);
    expect(await doctor.put(path, { ...NOTE, code: code.code })).toMatchObject({ body: { code } });
    expect((await doctor.put<MedicalRecordView>(path, NOTE)).body.code).toEqual(code);
    await doctor.put(path, { ...NOTE, code: null });
    const versions = (await doctor.get<Page<MedicalRecordView>>(`${path}/versions`)).body.items;
    expect(versions.map((version) => version.code)).toEqual([null, code, code, code]);
  },
);

/** As rows lay in their boxes before codes had systems, and dates words. */
async function asBefore<T extends Row>({ table, statements }: PatientTable<T>, id: string) {
  const { pool, keyring } = service.context;
  const { rows } = await pool.query<SealedRow>(`${statements.rows} where r.id = $1`, [id]);
  const [row] = rows as [SealedRow];
  const added = ["code_system", "code_display", "said", "diagnosis_coding"];
  const { declaration } = table;
  const sealed = declaration.sealed.filter(
    (name) => !added.includes(name) && !(name === "code" && NEW_CODE.has(declaration.table)),
  );
  const former = sealedTable<T>({ ...declaration, search: {}, sealed });
  const box = former.seal(keyring, row.subject_key, former.open(keyring, row));
  await pool.query(`update ${declaration.table} set open = $2, sealed = $3 where id = $1`, [
    id,
    box.open,
    box.sealed,
  ]);
}
const NEW_CODE = new Set(["prescriptions"]);

test("old rows read as they were: a code has no system, dates are instants or days, and signatures hold", async () => {
  const { doctor, patientId, records } = await given();
  const occurredAt = "2020-01-01T00:00:00.000Z";
  const { id } = (await doctor.post<Known>(records, { ...NOTE, code: "J45", occurredAt })).body;
  await asBefore(medicalRecords, id);
  const code = { system: null, code: "J45", display: null, known: false };
  const read = (await doctor.get<MedicalRecordView>(`/v1/records/${id}`)).body;
  expect(read).toMatchObject({ code, occurredAt });
  expect(read).not.toHaveProperty("undated");
  expect((await doctor.get<IntegrityView>(`/v1/records/${id}/integrity`)).body.valid).toBe(true);
  await doctor.put(`/v1/records/${id}`, { ...NOTE, code: ASTHMA });
  const versions = await doctor.get<Page<MedicalRecordView>>(`/v1/records/${id}/versions`);
  expect(versions.body.items.map((version) => version.code)).toEqual([{ ...ASTHMA, known: true }, code]);

  const drug = (
    await doctor.post<Known>("/v1/prescriptions", { patientId, ...ASPIRIN, endDate: "2026-03-01" })
  ).body.id;
  await asBefore(prescriptions, drug);
  expect((await doctor.get(`/v1/prescriptions/${drug}`)).body).toMatchObject({
    code: null,
    startDate: ASPIRIN.startDate,
    endDate: "2026-03-01",
  });
  const search = { q: "acetyl", patientId, from: ASPIRIN.startDate };
  expect((await doctor.post<Page<Known>>("/v1/prescriptions/search", search)).body.items).toHaveLength(1);
});

test("prescriptions have codes too, and are found by code, by its beginning and by its words", async () => {
  const { doctor, patientId, everything } = await given();
  const code = {
    system: "http://www.nlm.nih.gov/research/umls/rxnorm",
    code: "314076",
    display: "lisinopril 10 MG Oral Tablet",
  };
  const made = await doctor.post<PrescriptionView>("/v1/prescriptions", {
    patientId,
    ...ASPIRIN,
    medication: "Zestril",
    code,
  });
  expect(made).toMatchObject({ status: 201, body: { code: { ...code, known: true } } });
  expect(await everything("MedicationRequest")).toMatchObject([
    { medicationCodeableConcept: { coding: [code], text: "Zestril" } },
  ]);
  const find = async (q: string) =>
    (await doctor.post<Page<PrescriptionView>>("/v1/prescriptions/search", { q, patientId })).body.items
      .length;
  for (const q of ["314076", "3140", "LISINO", "10 mg oral", "zestr", "314076 zestril"])
    expect(await find(q), q).toBe(1);
  for (const q of ["314077", "rxnorm", "zestril 314077"]) expect(await find(q), q).toBe(0);
  const path = `/v1/prescriptions/${made.body.id}`;
  const put = await doctor.put(path, { ...ASPIRIN, code: null });
  expect(put).toMatchObject({ status: 200, body: { code: null } });
  expect(await find("lisino")).toBe(0);
  const again = { ...ASPIRIN, code };
  for (const [sent, kept] of [
    [again, code.code],
    [{ ...ASPIRIN, notes: "n" }, code.code],
    [{ ...ASPIRIN, medication: "Zestril" }, undefined],
  ] as const)
    expect((await doctor.put<PrescriptionView>(path, sent)).body.code?.code).toBe(kept);
});

test("records are found by words of title and display, by code and by any URI of its system, within their patient", async () => {
  const { doctor, records } = await given();
  const post = async (fields: object) =>
    (await doctor.post<MedicalRecordView>(records, { ...NOTE, ...fields })).body.id;
  const asthma = await post({ code: ASTHMA });
  const gout = await post({
    title: "Gicht",
    code: { system: "http://hl7.org/fhir/sid/icd-10", code: "M10" },
  });
  const peanut = await post({
    type: "allergy",
    title: "Erdnuß",
    code: { ...ASTHMA, code: "91935009", display: "Allergy to peanut" },
  });
  await post({ title: "Plain", code: undefined });
  const find = async (search: object) => {
    const { status, body } = await doctor.post<Page<MedicalRecordView>>(`${records}/search`, search);
    expect(status).toBe(200);
    return body.items.map((item) => item.id);
  };
  expect(await find({ q: "asthm" })).toEqual([asthma]);
  expect(await find({ q: "ERDNUSS" })).toEqual([peanut]);
  expect(await find({ q: "m1" })).toEqual([gout]);
  expect(await find({ q: "peanut erdnuss" })).toEqual([peanut]);
  expect(await find({ q: " - " })).toEqual([]);
  expect(await find({ code: "m10" })).toEqual([gout]);
  expect(await find({ code: "M1" })).toEqual([]);
  expect(await find({ system: "urn:oid:2.16.840.1.113883.6.96" })).toEqual([peanut, asthma]);
  expect(await find({ system: "http://snomed.info/sct", type: "allergy" })).toEqual([peanut]);
  expect(await find({})).toHaveLength(4);
  await service.events();
  await find({ q: "asthm" });
  const [event] = await service.events();
  expect(event?.type).toBe("medvault.records.record.searched.v1");
  expect(JSON.stringify(event)).not.toContain("asthm");
  const first = await doctor.post<Page<MedicalRecordView>>(`${records}/search`, {
    system: ASTHMA.system,
    limit: 1,
  });
  const next = { system: ASTHMA.system, limit: 1, cursor: first.body.nextCursor };
  expect([first.body.items[0]?.id, ...(await find(next))]).toEqual([peanut, asthma]);
  for (const stranger of [service.someone("doctor"), service.someone("patient")])
    for (const path of [records, `/v1/patients/${nobody()}/records`])
      expect((await stranger.post(`${path}/search`, { q: "asthm" })).status).toBe(404);
});

test("a claim's diagnosis has its coding beside its code, and each takes the other along", async () => {
  const { doctor, patientId, everything } = await given();
  const icd = { system: "http://hl7.org/fhir/sid/icd-10-cm", code: "E11.9", display: "Type 2 diabetes" };
  const claim = {
    patientId,
    providerId: nobody(),
    diagnosisCode: "E11.9",
    diagnosis: "Diabetes",
    treatment: "Metformin",
    amount: 100,
    currency: "EUR",
  };
  const bare = await doctor.post<ClaimView>("/v1/claims", claim);
  expect(bare).toMatchObject({ status: 201, body: { diagnosisCode: "E11.9", diagnosisCoding: null } });
  expect(await everything("Claim")).toMatchObject([
    { diagnosis: [{ diagnosisCodeableConcept: { coding: [{ code: "E11.9" }] } }] },
  ]);
  const path = `/v1/claims/${bare.body.id}`;
  const patch = async (fields: object) => {
    const { diagnosisCode, diagnosisCoding } = (await doctor.patch<ClaimView>(path, fields)).body;
    return [diagnosisCode, diagnosisCoding];
  };
  expect(await patch({ diagnosisCoding: icd })).toEqual(["E11.9", { ...icd, known: true }]);
  expect(await patch({ amount: 7 })).toEqual(["E11.9", { ...icd, known: true }]);
  expect(await everything("Claim")).toMatchObject([
    { diagnosis: [{ diagnosisCodeableConcept: { coding: [icd] } }] },
  ]);
  expect(await patch({ diagnosisCode: "E10" })).toEqual(["E10", null]);
  expect(await patch({ diagnosisCoding: { ...icd, code: "E13" } })).toMatchObject(["E13", { code: "E13" }]);
  expect(await doctor.post("/v1/claims", { ...claim, diagnosisCoding: { code: "other" } })).toMatchObject({
    status: 400,
    body: { errors: [{ path: "diagnosisCoding.code" }] },
  });
});

test("of several codings the one that a person chose is shown, else one of a known system, else the first", async () => {
  const codingOf = async (...coding: object[]) => {
    const condition = { resourceType: "Condition", subject: ours, code: { text: "x", coding } };
    const order = {
      resourceType: "MedicationRequest",
      subject: ours,
      medicationCodeableConcept: { text: "x", coding },
    };
    const made = await plan(bundleOf(patient, condition, order));
    const [record, prescription] = [made.records[0]?.mapped, made.prescriptions[0]?.mapped];
    expect(prescription).toMatchObject({ code: record?.code, codeSystem: record?.codeSystem });
    return [record?.codeSystem, record?.code, record?.codeDisplay];
  };
  const local = { system: "urn:local", code: "L" };
  const chosen = { system: "urn:other", code: "C", userSelected: true };
  expect(await codingOf(local, ASTHMA, chosen)).toEqual(["urn:other", "C", null]);
  expect(await codingOf(local, ASTHMA)).toEqual(Object.values(ASTHMA));
  expect(await codingOf({ display: "only words" }, local)).toEqual(["urn:local", "L", null]);
  expect(await codingOf({ system: "urn:a", code: "x".repeat(201) })).toEqual([null, null, null]);
  expect(await codingOf()).toEqual([null, null, null]);
});

test.each([
  ["a code without text", { code: { system: "urn:a" } }, "code.code", "required"],
  ["a code that is too long", { code: "x".repeat(201) }, "code", "too_big"],
  ["a number for a code", { code: 7 }, "code", "invalid"],
  ["a system with blanks", { code: { ...ASTHMA, system: "SNOMED CT" } }, "code.system", "invalid"],
  ["an unknown field", { code: { ...ASTHMA, version: "1" } }, "code.version", "unknown_field"],
])("%s is refused by its path", async (_what, fields, path, code) => {
  const { doctor, records } = await given();
  expect(await doctor.post(records, { ...NOTE, ...fields })).toMatchObject({
    status: 400,
    body: { errors: [{ path, code }] },
  });
});

test.each([
  ["http://snomed.info/sct", true],
  ["http://snomed.info/sct/731000124108", true],
  ["urn:oid:2.16.840.1.113883.6.96", true],
  ["http://loinc.org/", true],
  ["http://hl7.org/fhir/sid/icd-10-nl", true],
  ["http://terminology.hl7.org/CodeSystem/v3-ActCode", true],
  ["http://snomed.info/sctx", false],
  ["urn:oid:2.16.840.1.113883.6.9600", false],
  ["https://lab.example/codes", false],
  ["", false],
  [null, false],
])("the system %s is known: %s", (system, known) => {
  expect(isKnownSystem(system)).toBe(known);
});

test("two URIs are of one system where a table says so, or where they are one but for their looks", () => {
  expect(isSameSystem("urn:oid:2.16.840.1.113883.6.1", "http://loinc.org|2.74")).toBe(true);
  expect(isSameSystem("https://lab.example/codes", "http://lab.example/CODES")).toBe(true);
  expect(isSameSystem("http://loinc.org", "http://snomed.info/sct")).toBe(false);
  expect(isSameSystem(null, "http://loinc.org")).toBe(false);
});
