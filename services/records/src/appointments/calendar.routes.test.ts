import type { AppointmentView, FeedOwner } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Known, nobody, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const DAY_MS = 86_400_000;
const at = (minutes: number) =>
  new Date(Math.ceil(Date.now() / DAY_MS + 3) * DAY_MS + minutes * 60_000).toISOString();
let tokens = 0;

function givenFeed(owner: Pick<FeedOwner, "userId" | "role" | "scope">) {
  const token = (++tokens).toString(16).padStart(64, "0");
  service.auth.feeds.set(token, { ...owner, feedId: nobody() });
  return token;
}
const read = async (file: string) => {
  const answer = await service.someone("guest").get(`/v1/calendar/${file}`);
  return { ...answer, text: String(answer.body) };
};
const begins = (text: string) => [...text.matchAll(/DTSTART:(\w+)/g)].map(([, time]) => time);

async function given() {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const unseen = await givenPatient(service.someone("doctor"));
  const admin = service.someone("admin");
  const book = (of: string, minutes: number, fields: object = {}) =>
    admin.post<AppointmentView>("/v1/appointments", {
      ...{ patientId: of, doctorId: doctor.actor.id, reason: "Rash" },
      ...{ startsAt: at(minutes), endsAt: at(minutes + 30), ...fields },
    });
  return { doctor, account, patientId, unseen, admin, book };
}

test("a doctor's calendar has all of their time, a patient's their own, and neither says with whom or why", async () => {
  const { doctor, account, patientId, unseen, admin, book } = await given();
  await book(patientId, 0);
  await book(unseen, 60);
  const gone = (await book(patientId, 120)).body as Known;
  await admin.patch(`/v1/appointments/${gone.id}`, { status: "cancelled" });
  await book(patientId, 180, { status: "requested" });
  await service.events();
  const ofDoctor = givenFeed({ userId: doctor.actor.id, role: "doctor", scope: "assigned" });
  const ofPatient = givenFeed({ userId: account.actor.id, role: "patient", scope: "own" });
  const [doctors, patients] = [await read(`${ofDoctor}.ics`), await read(`${ofPatient}.ics`)];
  expect(doctors.status).toBe(200);
  expect(doctors.headers.get("content-type")).toBe("text/calendar; charset=utf-8");
  expect(doctors.headers.get("cache-control")).toBe("private, no-store");
  expect(begins(doctors.text)).toHaveLength(3);
  expect(begins(patients.text)).toHaveLength(2);
  expect(patients.text).toMatch(/STATUS:TENTATIVE/);
  const events = await service.events();
  expect(events.map(({ type, data }) => [type, data.actor?.id, data.patientIds])).toEqual([
    ["medvault.records.calendar-feed.read.v1", doctor.actor.id, []],
    ["medvault.records.calendar-feed.read.v1", account.actor.id, [patientId]],
  ]);
  for (const text of [doctors.text, patients.text]) {
    expect(text).not.toMatch(/Rash|Ada|Marsh/);
    for (const id of [patientId, unseen, doctor.actor.id]) expect(text).not.toContain(id);
  }
  for (const token of [ofDoctor, ofPatient]) expect(JSON.stringify(events)).not.toContain(token);
});

test("threat: a token that is revoked, guessed or misspelt opens a calendar", async () => {
  const token = givenFeed({ userId: nobody(), role: "doctor", scope: "assigned" });
  expect((await read(`${token}.ics`)).status).toBe(200);
  service.auth.feeds.delete(token);
  for (const file of [
    `${token}.ics`,
    token,
    `${"0".repeat(64)}.ics`,
    `${token}.ICS`,
    "x.ics",
    `${token}.ics.ics`,
  ])
    expect((await read(file)).status, file).toBe(404);
});

test("while auth cannot say whose it is, no calendar opens: 503", async () => {
  const away = await startRecords({ env: { MEDVAULT_AUTH_URL: "http://127.0.0.1:1" } });
  try {
    const answer = await away.someone("guest").get(`/v1/calendar/${"0".repeat(64)}.ics`);
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
  } finally {
    await away.close();
  }
});
