import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EntrySent, type Json, load } from "../../test/fhir.ts";
import { type Known, type Records, startRecords } from "../../test/harness.ts";

const SSN = "http://hl7.org/fhir/sid/us-ssn";
const MRN = "https://clinic.example/mrn";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

let numbers = 900_661_000;
/** A victim, and the chart that somebody else made of themselves as the victim. */
async function givenPretender() {
  const [admin, account] = [service.as({ ...actor("admin"), purpose: "TREAT" }), service.someone("patient")];
  const number = String(++numbers);
  const said = { givenName: "Vita", familyName: `Marsh${number}`, birthDate: "1960-02-03", sex: "female" };
  const made = await account.post<Known>("/v1/patients", { ...said, nationalId: number });
  expect(made.status).toBe(201);
  const name = [{ family: said.familyName, given: ["Vita"] }];
  const identifier = [
    { system: SSN, value: number },
    { system: MRN, value: `M${number}` },
  ];
  const victim = { resourceType: "Patient", name, birthDate: "1960-02-03", gender: "female", identifier };
  return { admin, account, id: made.body.id, victim };
}

const condition = (subject: Json, status: string): EntrySent => ({
  resource: {
    resourceType: "Condition",
    code: { text: "Syphilis" },
    clinicalStatus: { coding: [{ code: status }] },
    subject,
  },
  request: { method: "POST", url: "Condition" },
});
const bundle = (victim: Json, request: Json = { method: "POST", url: "Patient" }): EntrySent[] => {
  const fullUrl = `urn:uuid:${crypto.randomUUID()}`;
  return [{ fullUrl, resource: victim, request }, condition({ reference: fullUrl }, "active")];
};
const recordsOf = async (who: TestClient, id: string) =>
  (await who.get<{ items: unknown[] }>(`/v1/patients/${id}/records`)).body.items;

test("who registers with a victim's name, birth date and national id is not given the victim's import", async () => {
  const { admin, account, id, victim } = await givenPretender();
  const { body } = await load(admin, bundle(victim));
  expect(body).toMatchObject({ patient: "created", stored: { patients: 1, records: 1 } });
  expect(body.patientId).not.toBe(id);
  expect(body.possibleDuplicates).toEqual([id]);
  expect(await recordsOf(account, id)).toEqual([]);
  // Nor by what is known since: that is the new chart's.
  expect((await load(admin, bundle(victim))).body).toMatchObject({
    patientId: body.patientId,
    patient: "matched",
  });
});

test("names that a self-asserted chart came by find it neither as Patient nor as a conditional subject", async () => {
  const { admin, account, id, victim } = await givenPretender();
  // Named outright, it is written to, and noted under the identifiers of what was put.
  const put = { resource: { ...victim, id }, request: { method: "PUT", url: `Patient/${id}` } };
  expect((await load(admin, [put])).body).toMatchObject({ patientId: id, patient: "matched" });
  const reference = `Patient?identifier=${MRN}|${victim.identifier[1]?.value}`;
  const byIdentifier = { identifier: victim.identifier[0] };
  for (const [at, subject] of [{ reference }, byIdentifier].entries()) {
    const { body } = await load(admin, [condition(subject, ["active", "recurrence"][at] ?? "")]);
    expect(body).toMatchObject({ patientId: null, kept: { Condition: 1 } });
  }
  const same = (await load(admin, bundle({ ...victim, id }))).body;
  expect(same).toMatchObject({ patient: "created", possibleDuplicates: [id] });
  expect(await recordsOf(account, id)).toEqual([]);
});

test("a chart that its own account made is matched once staff treats the patient", async () => {
  const { admin, id, victim } = await givenPretender();
  const doctor = service.as({ ...actor("doctor"), purpose: "TREAT" });
  expect((await admin.put(`/v1/patients/${id}/care-team/${doctor.actor.id}`)).status).toBeLessThan(300);
  const { body } = await load(doctor, bundle(victim));
  expect(body).toMatchObject({ patientId: id, patient: "matched", possibleDuplicates: [] });
  expect((await load(admin, bundle(victim))).body).toMatchObject({ patientId: id, patient: "matched" });
});
