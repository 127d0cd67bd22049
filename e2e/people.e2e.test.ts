import { beforeAll, expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import type { Client } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, items, type Person, registerPatient, text } from "./support/people.ts";

const ADA = { givenName: "Ada", familyName: "Marsh", birthDate: "1971-02-03", sex: "female" };
const NOTE = { type: "note", title: "Visit", body: "No complaints", occurredAt: "2026-11-20T09:30:00Z" };

let admin: Client;
let doctor: Person;
let auditor: Person;
let patient: Person;
let patientId: string;
beforeAll(async () => {
  admin = (await freshAdmin(ops())).client;
  doctor = await invite(ops(), admin, "doctor");
  auditor = await invite(ops(), admin, "auditor");
  patient = await registerPatient(ops());
  const persona = { name: "Zofia O'Neil", title: "Dr.", speciality: "Cardiology" };
  expect((await admin.call("PATCH", `/v1/users/${doctor.id}`, { body: persona })).status).toBe(200);
}, 120_000);

test("a doctor finds the account of a patient by its whole user name, and links it", async () => {
  const identifier = patient.username;
  const found = await doctor.client.call("POST", "/v1/directory/search", { body: { identifier } });
  expect(found).toMatchObject({
    status: 200,
    body: { items: [{ id: patient.id, name: identifier, role: "patient" }] },
  });
  const made = await doctor.client.call("POST", "/v1/patients", { body: { ...ADA, userId: patient.id } });
  expect(made).toMatchObject({ status: 201, body: { creator: { id: doctor.id, name: "Zofia O'Neil" } } });
  patientId = text(made.body, "id");
});

test("answers of every service name people: a record, a care team, the log; a patient reads their doctor's name", async () => {
  const called = { id: doctor.id, name: "Zofia O'Neil" };
  const made = await doctor.client.call("POST", `/v1/patients/${patientId}/records`, { body: NOTE });
  expect(made).toMatchObject({ status: 201, body: { author: called } });
  const team = await patient.client.get(`/v1/patients/${patientId}/care-team`);
  expect(team.body).toMatchObject({ items: [{ user: called, addedByUser: called }] });
  await expect
    .poll(async () => {
      const log = await auditor.client.get(`/v1/audit/events?actorId=${doctor.id}&patientId=${patientId}`);
      return items(log.body)[0]?.actor;
    })
    .toMatchObject(called);
});

test("a patient finds in the directory whom their chart and its log name; staff finds all of staff", async () => {
  const entry = {
    id: doctor.id,
    name: "Zofia O'Neil",
    title: "Dr.",
    speciality: "Cardiology",
    role: "doctor",
  };
  for (const who of [auditor.client, patient.client]) {
    expect((await who.get("/v1/directory?q=neil%20zofia")).body).toEqual({
      items: [entry],
      nextCursor: null,
    });
    expect((await who.get(`/v1/directory/${doctor.id}`)).body).toEqual(entry);
  }
  const doctors = items((await auditor.client.get("/v1/directory?role=doctor&limit=100")).body);
  const stranger = doctors.find(({ id }) => id !== doctor.id)?.id;
  expect(stranger).toBeDefined();
  expect((await patient.client.get(`/v1/directory/${stranger}`)).status).toBe(404);
  await admin.get(`/v1/patients/${patientId}`);
  const { id } = (await admin.get("/v1/auth/me")).body;
  // Who has just read the chart is in its log as soon as the event is.
  await expect.poll(async () => (await patient.client.get(`/v1/directory/${id}`)).status).toBe(200);
});
