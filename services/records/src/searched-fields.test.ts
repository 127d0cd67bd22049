import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyPolicy } from "@medvault/keys";
import type { TestClient } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  ADA,
  givenPatient,
  givenPrescription,
  type Known,
  type Records,
  startRecords,
} from "../test/harness.ts";
import { openIndexes } from "./context.ts";
import { openSearch } from "./search/search.service.ts";
import { sealedTables } from "./tables.ts";

const declared = sealedTables.map((table) => table.declaration);
let service: Records;
let doctor: TestClient;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvault-policy-"));
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterEach(async () => {
  declareAgain();
  await service.context.search.stop();
  await service.close();
  await rm(folder, { recursive: true });
});

function declareAgain(): void {
  for (const [at, declaration] of declared.entries()) sealedTables[at]?.adopt(declaration as never);
}

/** As a restart under this policy: `{ patients: { phone: "none" } }`. */
async function restart(indexes: Record<string, Record<string, string>>): Promise<void> {
  declareAgain();
  const records = Object.fromEntries(
    Object.entries(indexes).map(([table, fields]) => [
      table,
      { fields: Object.fromEntries(Object.entries(fields).map(([field, index]) => [field, { index }])) },
    ]),
  );
  const file = join(folder, "policy.json");
  await writeFile(file, JSON.stringify({ services: { records } }));
  await applyPolicy({ file, service: "records", tables: sealedTables });
  const { pool, keyring, search } = service.context;
  await search.stop();
  const opened = {
    indexes: await openIndexes(pool, keyring),
    search: openSearch({ db: pool, primary: pool, keyring }, 64),
  };
  Object.assign(service.context, opened);
}

type Of = "patients" | "prescriptions";
const ask = (search: object, of: Of) => doctor.post<{ items: Known[] }>(`/v1/${of}/search`, search);
async function find(search: object, of: Of = "patients"): Promise<string[]> {
  const { status, body } = await ask(search, of);
  expect(status, JSON.stringify(search)).toBe(200);
  return body.items.map(({ id }) => id);
}

/** Each of these is named as what the policy does not search by. */
async function expectRefused(search: object, paths: string[], of: Of = "patients"): Promise<void> {
  const errors = paths.map((path) => ({ path, message: expect.stringContaining("policy") }));
  expect(await ask(search, of)).toMatchObject({ status: 400, body: { code: "invalid_input", errors } });
}

test("what a policy takes out of the index is refused by name, and all else is found", async () => {
  const id = await givenPatient(doctor);
  const drug = await givenPrescription(doctor, id, { medication: "Ibuprofen 400 mg", notes: "with food" });
  const all = {
    q: "marsh",
    birthDate: "1971-02-03",
    phone: "014 7731",
    email: "ada.m",
    nationalId: "S1234567D",
  };
  expect(await find(all)).toEqual([id]);
  await restart({ patients: { phone: "none", birth_date: "none", national_id: "none" } });
  await expectRefused(all, ["birthDate", "phone", "nationalId"]);
  expect(await find({ q: "marsh", email: "ada.m" })).toEqual([id]);
  expect(await find({ q: "marsh ibu" }, "prescriptions")).toEqual([drug]);

  await restart({ patients: { search_name: "none" } });
  await expectRefused({ q: "marsh" }, ["q"]);
  expect(await find({ phone: "7731", nationalId: "s1234567d" })).toEqual([id]);
  expect(await find({ q: "ibu" }, "prescriptions")).toEqual([drug]);
  expect(await find({ q: "marsh" }, "prescriptions")).toEqual([]);

  await restart({ prescriptions: { medication: "none" } });
  expect(await find({ q: "ibu" }, "prescriptions")).toEqual([]);
  expect(await find({ q: "marsh" }, "prescriptions")).toEqual([drug]);
  const none = { medication: "none", code: "none", code_display: "none" };
  await restart({ prescriptions: none, patients: { search_name: "none" } });
  await expectRefused({ q: "ibu" }, ["q"], "prescriptions");
});

test("a policy that takes a field out of the search takes its FHIR parameters too", async () => {
  const patientId = await givenPatient(doctor, { nationalId: "88-4410-Q" });
  const coded = { medication: "Ibuprofen 400 mg", code: "5640" };
  const drug = await givenPrescription(doctor, patientId, coded);
  interface Answer {
    entry?: { resource: { id: string; resourceType: string; issue?: object[] } }[];
    rest: { resource: { type: string; searchParam: { name: string }[] }[] }[];
  }
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const post = (type: string, form: string, prefer = "handling=strict") =>
    doctor.post<Answer>(`/v1/fhir/${type}/_search`, form, { headers: { ...headers, prefer } });
  const listed = async (of: string) => {
    const { body } = await doctor.get<Answer>("/v1/fhir/metadata");
    return body.rest[0]?.resource.find(({ type }) => type === of)?.searchParam.map(({ name }) => name);
  };
  const forms = {
    ...{ name: "ada", family: "marsh", given: "ada", birthdate: "1971-02-03" },
    ...{ phone: ADA.phone, email: ADA.email },
  };
  const asked = async (form: Record<string, string>, type = "Patient") => {
    const { status, body } = await post(type, String(new URLSearchParams(form)));
    expect(status, JSON.stringify(form)).toBe(200);
    return (body.entry ?? []).map(({ resource }) => resource.id);
  };
  for (const [name, value] of Object.entries(forms))
    expect(await asked({ [name]: value }), name).toEqual([patientId]);
  expect(await asked({ identifier: "884410Q" })).toEqual([patientId]);
  expect(await asked({ code: "5640" }, "MedicationRequest")).toEqual([drug]);

  const off = { search_name: "none", birth_date: "none", phone: "none", email: "none", national_id: "none" };
  await restart({ patients: off, prescriptions: { code: "none" } });
  for (const [type, form] of [
    ...Object.entries(forms).map((form) => ["Patient", form] as const),
    ["MedicationRequest", ["code", "5640"]] as const,
  ]) {
    const [name] = form;
    const text = String(new URLSearchParams([[...form]]));
    const errors = [{ path: name, message: expect.stringContaining("policy") }];
    expect(await post(type, text), name).toMatchObject({
      status: 400,
      body: { code: "invalid_input", errors },
    });
    const { status, body } = await post(type, text, "handling=lenient");
    expect(status).toBe(200);
    const outcome = body.entry?.find(({ resource }) => resource.resourceType === "OperationOutcome");
    const diagnostics = expect.stringContaining(`parameter ${name} is not supported`);
    expect(outcome?.resource.issue).toMatchObject([{ diagnostics }]);
    expect(await listed(type)).not.toContain(name);
  }
  expect(await listed("Patient")).toEqual(["_id", "_lastUpdated", "identifier", "gender"]);
  expect(await asked({ identifier: "884410Q" })).toEqual([]);
  expect(await asked({ gender: "female" })).toEqual([patientId]);
});

test("a policy has any part of a national id found, and a prescription by its notes", async () => {
  const id = await givenPatient(doctor, { nationalId: "88-4410-Q" });
  const drug = await givenPrescription(doctor, id, { notes: "with food" });
  expect(await find({ nationalId: "4410" })).toEqual([]);
  expect(await find({ q: "food" }, "prescriptions")).toEqual([]);
  await restart({ patients: { national_id: "search" }, prescriptions: { notes: "search" } });
  for (const nationalId of ["4410", "88 44", "0q", "88-4410-Q"])
    expect(await find({ nationalId })).toEqual([id]);
  expect(await find({ nationalId: "4411" })).toEqual([]);
  expect(await find({ q: "food acetyl ada" }, "prescriptions")).toEqual([drug]);
});

test("where no name is searched by, who registers is told that duplicates were not looked for", async () => {
  const namesake = { nationalId: "N-1" };
  const first = await givenPatient(doctor, { nationalId: "N-2" });
  const register = async () => {
    const made = await doctor.post<object>("/v1/patients", {
      ...{ givenName: "Ada", familyName: "Marsh-O'Neil", birthDate: "1971-02-03", sex: "female" },
      ...namesake,
    });
    expect(made.status).toBe(201);
    return made.body;
  };
  const told = await register();
  expect(told).toMatchObject({ possibleDuplicates: [first] });
  expect(told).not.toHaveProperty("duplicatesChecked");
  await restart({ patients: { search_name: "none" } });
  expect(await register()).toMatchObject({
    possibleDuplicates: [(told as { id: string }).id],
    duplicatesChecked: false,
  });
});
