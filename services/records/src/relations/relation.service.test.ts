import { newId } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";
import { noteRelations } from "./relation.service.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());
beforeEach(async () => {
  await look(); // what the test before left
  await service.events();
});

const HOUR_MS = 3_600_000;
const look = (afterMs = 0) =>
  noteRelations(service.context, new Date(Date.now() + afterMs), new AbortController().signal);
const read = (who: TestClient, id: string) => who.get(`/v1/patients/${id}`);
/** What was noted: of whom, of which chart, and as what. */
const related = async () =>
  (await service.events())
    .filter(({ type }) => type === "medvault.records.patient.related.v1")
    .map(({ subject, data }) => [data.actor?.id, subject, data.patientIds, data.decision.reason]);
function doctorCalled(name: string): TestClient {
  const doctor = service.someone("doctor");
  service.auth.names.set(doctor.actor.id, name);
  return doctor;
}
/** A chart of theirs that is of this account, which is a patient's when they make it. */
function givenChartOf(doctor: TestClient, userId: string): Promise<string> {
  service.auth.standing.set(userId, "patient");
  return givenPatient(doctor, { userId });
}

test("a chart of one's own family name is noted once an hour, with the relation's word alone", async () => {
  const doctor = doctorCalled("Dr. Bruno Vogel");
  const id = await givenPatient(doctor, { familyName: "VOGEL" });
  for (let times = 0; times < 3; times++) {
    expect((await read(doctor, id)).status).toBe(200);
    await look();
  }
  const events = await service.events();
  const found = events.filter(({ type }) => type === "medvault.records.patient.related.v1");
  expect(found.map(({ data }) => data.decision.reason)).toEqual(["family_name"]);
  expect(found[0]).toMatchObject({ subject: `patient/${id}`, data: { patientIds: [id] } });
  expect(found[0]?.data.actor?.id).toBe(doctor.actor.id);
  expect(JSON.stringify(found)).not.toMatch(/vogel/i);
});

test("the own chart and a colleague's are noted, a patient's with an account is not", async () => {
  const doctor = doctorCalled("Bruno Weber");
  const [colleague, patient] = [newId(), newId()];
  const admin = service.someone("admin");
  const own = await givenChartOf(doctor, admin.actor.id);
  const theirs = await givenChartOf(doctor, colleague);
  const other = await givenChartOf(doctor, patient);
  service.auth.standing.set(colleague, "auditor").set(admin.actor.id, "admin"); // by now
  for (const id of [own, theirs, other]) expect((await read(admin, id)).status).toBe(200);
  await look();
  const found = await related();
  expect(found.map(([, subject, , reason]) => [subject, reason]).sort()).toEqual(
    [
      [`patient/${own}`, "own"],
      [`patient/${theirs}`, "colleague"],
    ].sort(),
  );
});

test("a list of many, a refusal and what patients do themselves say nothing", async () => {
  const doctor = doctorCalled("Bruno Marsh-O'Neil");
  const patient = service.someone("patient");
  service.auth.names.set(patient.actor.id, "Ada Marsh-O'Neil");
  const id = await givenChartOf(doctor, patient.actor.id);
  await givenPatient(doctor);
  await look(HOUR_MS / 2); // that they were made is forgotten: the assertions are over
  await service.events();
  expect((await doctor.get("/v1/patients")).status).toBe(200);
  expect((await read(doctorCalled("Anna Marsh-O'Neil"), id)).status).toBe(404);
  expect((await read(patient, id)).status).toBe(200);
  await look();
  expect(await related()).toEqual([]);
});

test("while auth is away nothing is noted, and the next act is looked at again", async () => {
  const doctor = doctorCalled("Bruno Marsh-O'Neil");
  const colleague = newId();
  const id = await givenChartOf(doctor, colleague);
  await look(HOUR_MS / 2);
  service.auth.standing.set(colleague, 503);
  await service.events();
  const other = service.someone("admin");
  await read(other, id);
  await look();
  expect(await related()).toEqual([]);
  service.auth.standing.set(colleague, "doctor");
  await read(other, id);
  await look();
  expect((await related()).map(([, , , reason]) => reason)).toEqual(["colleague"]);
});

test("reading a chart costs no statement and no question more: the job does the work", async () => {
  const doctor = doctorCalled("Bruno Marsh-O'Neil");
  const id = await givenPatient(doctor);
  service.auth.asked.length = 0;
  await read(doctor, id);
  expect(service.auth.asked).toEqual([]);
});
