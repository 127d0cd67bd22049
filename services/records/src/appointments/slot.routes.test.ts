import type { AppointmentView, Slots } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords({
    env: {
      MEDVAULT_CLINIC_TIME_ZONE: "Europe/Berlin",
      MEDVAULT_CLINIC_HOURS: "Mon-Sun 09:00-12:00; Mon-Sun 14:00-16:00",
      MEDVAULT_APPOINTMENT_REQUESTS: "on",
    },
  });
});
afterAll(() => service?.close());

/** A day to come in winter time, so that nine in Berlin is eight here. */
const YEAR = new Date().getUTCFullYear() + 1;
const DAY = `${YEAR}-01-12`;
const at = (time: string, day = DAY) => `${day}T${time}:00.000+01:00`;
const utc = (time: string, day = DAY) => new Date(at(time, day)).toISOString();
const span = (from: string, to: string) => ({ startsAt: utc(from), endsAt: utc(to) });

async function given() {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const doctorId = doctor.actor.id;
  const book = (as: TestClient, fields: object) =>
    as.post<AppointmentView>("/v1/appointments", { patientId, doctorId, ...fields });
  const slots = (as: TestClient, query: string, of = doctorId) =>
    as.get<Slots>(`/v1/appointments/slots?doctorId=${of}&${query}`);
  return { doctor, account, patientId, doctorId, book, slots };
}
const ofDay = `from=${DAY}&to=${DAY}&minutes=60`;
const begins = ({ body }: { body: Slots }) => body.items.map(({ startsAt }) => startsAt);

test("slots are what is free of a doctor's day within the clinic's hours, and name no patient", async () => {
  const { doctor, account, patientId, book, slots } = await given();
  expect(await slots(doctor, ofDay)).toMatchObject({
    status: 200,
    body: { timeZone: "Europe/Berlin", items: [span("09:00", "10:00"), ...Array(4).fill({})] },
  });
  await book(doctor, span("10:30", "11:15"));
  const cancelled = await book(doctor, span("14:00", "15:00"));
  await doctor.patch(`/v1/appointments/${cancelled.body.id}`, { status: "cancelled" });
  const left = [utc("09:00"), utc("14:00"), utc("15:00")];
  await service.events();
  for (const asker of [doctor, service.someone("doctor"), service.someone("admin"), account]) {
    const answer = await slots(asker, ofDay);
    expect(begins(answer)).toEqual(left);
    expect(JSON.stringify(answer.body)).not.toContain(patientId);
  }
  expect((await service.events()).map(({ type }) => type)).toEqual(
    Array(4).fill("medvault.records.appointment.slots-read.v1"),
  );
});

test("on the night when clocks go back the hours hold both of what a clock shows twice", async () => {
  const night = await startRecords({
    env: { MEDVAULT_CLINIC_TIME_ZONE: "Europe/Berlin", MEDVAULT_CLINIC_HOURS: "Sun 02:00-03:00" },
  });
  try {
    const sunday = (month: number) => 31 - new Date(Date.UTC(YEAR, month, 31)).getUTCDay();
    const doctor = night.someone("doctor");
    const of = (day: string) =>
      doctor.get<Slots>(
        `/v1/appointments/slots?doctorId=${doctor.actor.id}&from=${day}&to=${day}&minutes=30`,
      );
    const autumn = `${YEAR}-10-${sunday(9)}`;
    expect(begins(await of(autumn)).map((one) => one.slice(11, 16))).toEqual([
      "00:00",
      "00:30",
      "01:00",
      "01:30",
    ]);
    expect(begins(await of(`${YEAR}-03-${sunday(2)}`))).toEqual([]);
  } finally {
    await night.close();
  }
});

test("a patient asks for a free slot, their doctor confirms it; who asks for a taken one is refused", async () => {
  const { doctor, account, book } = await given();
  const made = await book(account, { ...span("09:00", "09:30"), reason: "Rash" });
  expect(made).toMatchObject({ status: 201, body: { status: "requested", outsideHours: false } });
  const path = `/v1/appointments/${made.body.id}`;
  expect(await book(doctor, span("09:15", "09:45"))).toMatchObject({ body: { code: "slot_taken" } });
  expect((await account.patch(path, { status: "booked" })).status).toBe(403);
  expect(await doctor.patch(path, { status: "booked" })).toMatchObject({ body: { status: "booked" } });
  expect(await account.get(path)).toMatchObject({ body: { status: "booked" } });
});

const invalid = (path: string, code: string) => ({ status: 400, body: { errors: [{ path, code }] } });

test("a patient asks within the hours, for an hour at most, in the future, of their own doctor, as themselves", async () => {
  const { account, book } = await given();
  const refused: [object, object][] = [
    [span("11:30", "12:30"), invalid("startsAt", "outside_hours")],
    [span("08:00", "08:30"), invalid("startsAt", "outside_hours")],
    [span("09:00", "10:01"), invalid("endsAt", "too_long")],
    [span("09:00", "09:04"), invalid("endsAt", "too_short")],
    [
      { ...span("09:00", "09:30"), doctorId: nobody() },
      { status: 400, body: { errors: [{ path: "doctorId" }] } },
    ],
    [{ ...span("09:00", "09:30"), status: "booked" }, { status: 403 }],
    [
      { ...span("09:00", "09:30"), patientId: await givenPatient(service.someone("doctor")) },
      { status: 404 },
    ],
  ];
  for (const [fields, answer] of refused) expect(await book(account, fields)).toMatchObject(answer);
  const past = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const yesterday = { startsAt: utc("09:30", past), endsAt: utc("10:00", past) };
  expect(await book(account, yesterday)).toMatchObject(invalid("startsAt", "past"));
});

test("threat: a patient fills a doctor's day by asking, also at once: three requests wait at most", async () => {
  const { account, book } = await given();
  const times = ["09:00", "09:30", "10:00", "10:30", "11:00", "14:00", "14:30", "15:00"];
  const ask = (from: string) =>
    book(account, { startsAt: utc(from), endsAt: new Date(Date.parse(at(from)) + 1_800_000).toISOString() });
  const answers = await Promise.all(times.map(ask));
  const made = answers.filter(({ status }) => status === 201);
  expect(made).toHaveLength(3);
  for (const one of answers.filter((answer) => !made.includes(answer)))
    expect(one).toMatchObject({ status: 409, body: { code: "request_limit_reached" } });
  await account.patch(`/v1/appointments/${made[0]?.body.id}`, { status: "cancelled" });
  expect((await ask("15:30")).status).toBe(201);
});

test("staff books outside of the hours, and the answer says that it is so", async () => {
  const { doctor, book } = await given();
  const made = await book(doctor, span("12:00", "12:30"));
  expect(made).toMatchObject({ status: 201, body: { outsideHours: true } });
  const path = `/v1/appointments/${made.body.id}`;
  expect(await doctor.patch(path, { reason: "Urgent" })).toMatchObject({ body: { outsideHours: true } });
  expect(await doctor.patch(path, span("15:00", "15:30"))).toMatchObject({ body: { outsideHours: false } });
});

test("threat: a patient learns when somebody else's doctor is free, or anything while requests are off", async () => {
  const { doctor, account, book, slots } = await given();
  const other = nobody();
  const refused = { status: 400, body: { errors: [{ path: "doctorId" }] } };
  expect(await slots(account, ofDay, other)).toMatchObject(refused);
  expect((await slots(doctor, ofDay, other)).status).toBe(200);
  service.auth.standing.set(other, "patient");
  expect(await slots(doctor, ofDay, other)).toMatchObject(refused);
  const { clinic } = service.context;
  Object.assign(service.context, { clinic: { ...clinic, takesRequests: false } });
  try {
    expect((await slots(account, ofDay)).status).toBe(403);
    expect((await book(account, span("09:00", "09:30"))).status).toBe(403);
    expect((await slots(doctor, ofDay)).status).toBe(200);
  } finally {
    Object.assign(service.context, { clinic });
  }
});

test("slots are asked for a month at most, of any length that a day has room for, and none has begun", async () => {
  const { doctor, slots } = await given();
  const far = `from=${DAY}&to=${YEAR}-02-13`;
  expect(await slots(doctor, far)).toMatchObject({ status: 400, body: { errors: [{ path: "to" }] } });
  for (const minutes of ["4", "481", "1e1", "x"])
    expect((await slots(doctor, `minutes=${minutes}`)).status).toBe(400);
  const { body } = await slots(doctor, "from=2020-01-01&minutes=15");
  expect(body.items.every(({ startsAt }) => Date.parse(startsAt) > Date.now())).toBe(true);
  expect(begins(await slots(doctor, `from=9999-12-31&to=9999-12-31`))).toEqual([]);
  expect(begins(await slots(doctor, `from=${DAY}&to=${YEAR}-01-01`))).toEqual([]);
});
