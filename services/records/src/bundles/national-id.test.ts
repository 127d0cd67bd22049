import { existsSync, readFileSync } from "node:fs";
import type { FhirImportView } from "@medvault/contracts";
import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Known, type Records, startRecords } from "../../test/harness.ts";

const CASES = new URL("../../../../../shared/data/cases/", import.meta.url);
const SSN = "http://hl7.org/fhir/sid/us-ssn";
const NHS = "https://fhir.nhs.uk/Id/nhs-number";
const typed = (code: string) => ({ type: { coding: [{ code }] } });
const HAND = { givenName: "Hand", familyName: "Made", birthDate: "1970-01-01", sex: "female" };
const SAID = { name: [{ family: "Made", given: ["Hand"] }], birthDate: "1970-01-01", gender: "female" };

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

type Made = Known & { possibleDuplicates: string[] };
const treating = () => service.as({ ...actor("doctor"), purpose: "TREAT" });
let numbers = 900_551_000;
/** Nine digits that no other test has. */
const fresh = () => String(++numbers);
const hyphened = (digits: string) => digits.replace(/(...)(..)(....)/, "$1-$2-$3");
const register = async (who: TestClient, fields: object): Promise<Made> => {
  const answer = await who.post<Made>("/v1/patients", { ...HAND, ...fields });
  expect(answer.status).toBe(201);
  return answer.body;
};
const load = async (who: TestClient, patient: object): Promise<FhirImportView> => {
  const fullUrl = `urn:uuid:${crypto.randomUUID()}`;
  const entry = [{ fullUrl, resource: { resourceType: "Patient", ...patient } }];
  const answer = await who.post<FhirImportView>("/v1/fhir", {
    resourceType: "Bundle",
    type: "transaction",
    entry,
  });
  expect(answer.status).toBe(200);
  return answer.body;
};
const found = async (who: TestClient, nationalId: string) =>
  (await who.post<{ items: Known[] }>("/v1/patients/search", { nationalId })).body.items.map(({ id }) => id);

test.each([
  ["typed SS", (value: string) => ({ system: SSN, value, ...typed("SS") })],
  ["typed NI, without a system", (value: string) => ({ value, ...typed("NI") })],
  ["typed NNGBR", (value: string) => ({ system: "urn:oid:2.999.9", value, ...typed("NNGBR") })],
  ["typed TAX", (value: string) => ({ system: "urn:oid:2.999.9", value, ...typed("TAX") })],
  ["of a known system", (value: string) => ({ system: NHS, value })],
  ["of a known OID", (value: string) => ({ system: "urn:oid:2.16.840.1.113883.4.1", value })],
])("a hand-registered patient and an import with the same national id, %s, meet", async (_how, of) => {
  const doctor = treating();
  const value = fresh();
  const { id } = await register(doctor, { nationalId: hyphened(value) });
  const mrn = { system: "https://clinic.example/mrn", value: `M${fresh()}` };
  expect(await load(doctor, { ...SAID, identifier: [of(value), mrn] })).toMatchObject({
    patientId: id,
    patient: "matched",
    possibleDuplicates: [],
  });
  // And it is known by the import's other number from then on.
  expect(await load(doctor, { ...SAID, birthDate: undefined, identifier: [mrn] })).toMatchObject({
    patientId: id,
    patient: "matched",
  });
});

test.each([
  ["another birth date", { birthDate: "1990-01-01" }],
  ["another sex", { gender: "male" }],
  ["another name", { name: [{ text: "Odalys Quill" }] }],
  ["nothing that agrees", { name: undefined, birthDate: undefined }],
])("the same national id with %s is doubt", async (_what, other) => {
  const doctor = treating();
  const value = fresh();
  const { id } = await register(doctor, { nationalId: value });
  expect(await load(doctor, { ...SAID, ...other, identifier: [{ system: SSN, value }] })).toMatchObject({
    patient: "created",
    possibleDuplicates: [id],
  });
});

test("a number of another kind does not meet the national id of a hand-registered patient", async () => {
  const value = fresh();
  for (const identifier of [
    { system: "https://clinic.example/mrn", value },
    { system: SSN, value, ...typed("SN") },
  ]) {
    const doctor = treating();
    await register(doctor, { nationalId: value, familyName: "Other", birthDate: "1971" });
    expect(await load(doctor, { ...SAID, identifier: [identifier] })).toMatchObject({
      patient: "created",
      possibleDuplicates: [],
    });
  }
});

test("a hand-registered patient whom the caller may not write is not met, nor told of", async () => {
  const [doctor, stranger] = [treating(), treating()];
  const value = fresh();
  const { id } = await register(doctor, { nationalId: value });
  expect(await load(stranger, { ...SAID, identifier: [{ system: SSN, value }] })).toMatchObject({
    patient: "created",
    possibleDuplicates: [],
  });
  expect((await register(stranger, { nationalId: value })).possibleDuplicates).not.toContain(id);
});

test("an untyped NHS number becomes the national id, and is found however it is spelt", async () => {
  const doctor = treating();
  const { patientId } = await load(doctor, { ...SAID, identifier: [{ system: NHS, value: "943 476 5919" }] });
  for (const spelt of ["9434765919", "943-476-5919", " 943 476 5919 ", "943.476.5919"]) {
    expect(await found(doctor, spelt), spelt).toEqual([patientId]);
  }
  expect(await found(doctor, "943476591")).toEqual([]);
});

test("a national id is found but for spaces, hyphens and case, also one that was stored before", async () => {
  const doctor = treating();
  const { id } = await register(doctor, { nationalId: "ab-12 34-x" });
  for (const spelt of ["AB1234X", "ab-12 34-x", "a b 1 2 3 4 x"])
    expect(await found(doctor, spelt)).toEqual([id]);
  const value = fresh();
  const old = (await register(doctor, { nationalId: value })).id;
  // The token of a row of before is of the spelling that it was written in.
  const { indexes, pool } = service.context;
  const { patients } = await import("../patients/patient.table.ts");
  const asStored = indexes.of(patients.table).held.exact("national_id", hyphened(value))?.at(-1);
  await pool.query("update patients set national_id_token = $2 where id = $1", [old, asStored]);
  for (const spelt of [value, hyphened(value)]) expect(await found(doctor, spelt)).toEqual([old]);
});

test("who registers someone is told of charts in reach that may be the same person's", async () => {
  const doctor = treating();
  const value = fresh();
  const imported = await load(doctor, {
    name: [{ family: "Otter", given: ["Wren"] }],
    identifier: [{ system: SSN, value }],
  });
  const who = { givenName: "Wren Ada", familyName: "Otter", birthDate: "1999-09-09", sex: "female" };
  const first = await register(doctor, { ...who, nationalId: hyphened(value) });
  expect(first.possibleDuplicates).toEqual([imported.patientId]);
  const namesake = await register(doctor, { ...who, givenName: "WREN  ada" });
  expect(namesake.possibleDuplicates).toEqual([first.id]);
  for (const other of [
    { birthDate: "1999" },
    { sex: "unknown" },
    { givenName: "Wren" },
    { birthDate: null },
  ]) {
    expect((await register(doctor, { ...who, ...other })).possibleDuplicates).toEqual([]);
  }
});

test("a placeholder for a national id makes nobody a possible duplicate", async () => {
  const doctor = treating();
  for (const [at, nationalId] of ["999-99-9999", "999999999", "unknown"].entries()) {
    const made = await register(doctor, { nationalId, familyName: `Nobody${at}` });
    expect(made.possibleDuplicates).toEqual([]);
  }
});

test("who registers themselves is told of nobody", async () => {
  const [doctor, patient] = [treating(), service.someone("patient")];
  const nationalId = fresh();
  await register(doctor, { nationalId });
  expect(await register(patient, { nationalId, userId: patient.actor.id })).toMatchObject({
    possibleDuplicates: [],
  });
});

test("who is imported of the same name, birth date and sex is a new chart that names the other", async () => {
  const doctor = treating();
  const named = { givenName: "Io", familyName: "Brandt", birthDate: "1988-08-08", sex: "male" };
  const { id } = await register(doctor, named);
  const same = { name: [{ family: "Brandt", given: ["Io"] }], birthDate: "1988-08-08", gender: "male" };
  expect(await load(doctor, same)).toMatchObject({ patient: "created", possibleDuplicates: [id] });
});

test.runIf(existsSync(CASES))("the shared cases of national ids and policy numbers", async () => {
  const read = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, CASES), "utf8"));
  const doctor = treating();
  const send = async (name: string) => (await doctor.post<FhirImportView>("/v1/fhir", read(name))).body;
  const nhs = await send("fhir-nhs-number-untyped");
  expect(await found(doctor, "900 000 0009")).toEqual([nhs.patientId]);
  const { id } = await register(doctor, { nationalId: "940-25-0481" });
  expect(await send("fhir-import-after-hand-registration")).toMatchObject({
    patientId: id,
    patient: "matched",
  });
  const [one, other] = [await send("fhir-shared-policy-number-1"), await send("fhir-shared-policy-number-2")];
  expect(other).toMatchObject({ patient: "created", existing: 0 });
  expect(other.patientId).not.toBe(one.patientId);
});
