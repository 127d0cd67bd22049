import type { AppointmentView, CloudEvent, PrescriptionView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";
import { announceReminders } from "./reminder.service.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords({ env: { MEDVAULT_CLINIC_TIME_ZONE: "Europe/Berlin" } });
});
afterAll(() => service?.close());
beforeEach(async () => {
  await announceReminders(service.context, new Date());
  await service.events();
});

const DAY_MS = 86_400_000;
const day = (days: number) => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
const inHours = (hours: number, from = 0) => {
  const at = Math.ceil(Date.now() / 60_000) * 60_000 + hours * 3_600_000 + from;
  return { startsAt: new Date(at).toISOString(), endsAt: new Date(at + 1_800_000).toISOString() };
};
const run = (now = new Date()) => announceReminders(service.context, now);
const told = (events: readonly CloudEvent[]) =>
  events.map(({ type }) => type.split(".").slice(2, 4).join("."));

async function given({ hasAccount = true } = {}) {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const patientId = await givenPatient(doctor, hasAccount ? { userId: account.actor.id } : {});
  await service.events();
  const prescribe = async (endDate: string | undefined, fields: object = {}, as: TestClient = doctor) => {
    const body = { patientId, medication: "Clopidogrel", dosage: "1 a day", startDate: "2024-01-01" };
    const made = await as.post<PrescriptionView>("/v1/prescriptions", {
      ...body,
      endDate,
      status: "active",
      ...fields,
    });
    expect(made.status).toBe(201);
    return made.body;
  };
  const book = async (times: object, fields: object = {}) => {
    const body = { patientId, doctorId: doctor.actor.id, reason: "Cough", ...times, ...fields };
    const made = await doctor.post<AppointmentView>("/v1/appointments", body);
    expect(made.status).toBe(201);
    return made.body;
  };
  const rewrite = async ({ id }: PrescriptionView, fields: object) => {
    const body = { patientId, medication: "Clopidogrel", dosage: "1 a day", startDate: "2024-01-01" };
    const path = `/v1/prescriptions/${id}`;
    expect((await doctor.put(path, { ...body, status: "active", ...fields })).status).toBe(200);
  };
  return { doctor, account, patientId, prescribe, book, rewrite };
}
/** What is announced now: only that, whatever else was done. */
async function announcedNow(now?: Date) {
  await service.events();
  await run(now);
  return service.events();
}

test("a prescription that ends soon is announced once: to the log, and to other services with its account", async () => {
  const { prescribe, patientId, account } = await given();
  const { id } = await prescribe(day(5));
  const events = await announcedNow();
  expect(told(events)).toEqual(["prescription.end-announced", "prescription.ending"]);
  const [logged, domain] = events as [CloudEvent, CloudEvent];
  const reminder = expect.stringMatching(/^[0-9a-f-]{36}$/);
  expect(logged).toMatchObject({
    subject: `prescription/${id}`,
    data: { actor: null, patientIds: [patientId] },
  });
  expect(logged.data.details).toEqual({ reminder, recipient: "account" });
  expect(domain.data.details).toEqual({
    reminder,
    recipient: account.actor.id,
    notAfter: expect.any(String),
  });
  expect(JSON.stringify(events)).not.toMatch(/Clopidogrel/);
  expect(JSON.stringify(logged.data)).not.toContain(day(5));
  expect(await announcedNow()).toEqual([]);
});

test("an appointment that is agreed for tomorrow is announced once; one that is asked for, over or later is not", async () => {
  const { book } = await given();
  await book(inHours(2));
  await book(inHours(24 * 3));
  expect(told(await announcedNow())).toEqual(["appointment.start-announced", "appointment.coming"]);
  await service.superuser(
    "update records.appointments set status = 'requested', starts_at = starts_at + interval '1 minute'",
  );
  expect(told(await announcedNow())).toEqual([
    "appointment.announcement-withdrawn",
    "appointment.called-off",
  ]);
});

test("what ends later, has ended, has no end, or is not active is announced to nobody", async () => {
  const { prescribe } = await given();
  await prescribe(day(9));
  await prescribe(day(-2));
  await prescribe(undefined);
  await prescribe(day(2), { status: "on-hold" });
  await prescribe(day(2), { status: "stopped" });
  expect(await announcedNow()).toEqual([]);
});

test("a patient without an account has nobody to remind, and the log says so", async () => {
  const { prescribe } = await given({ hasAccount: false });
  await prescribe(day(3));
  const [logged, domain] = await announcedNow();
  expect(logged?.data.details).toMatchObject({ recipient: "none" });
  expect(domain?.data.details).toMatchObject({ recipient: null });
});

test("another end is one more announcement, the same end again is the former one, and each end that falls away is called off", async () => {
  const { prescribe, rewrite } = await given();
  const made = await prescribe(day(3));
  const [first] = await announcedNow();
  await rewrite(made, { endDate: day(4), notes: "longer" });
  const moved = await announcedNow();
  expect(told(moved)).toEqual([
    ...["prescription.announcement-withdrawn", "prescription.called-off"],
    ...["prescription.end-announced", "prescription.ending"],
  ]);
  expect(moved[0]?.data.details?.reminder).toBe(first?.data.details?.reminder);
  expect(moved[2]?.data.details?.reminder).not.toBe(first?.data.details?.reminder);
  await rewrite(made, { endDate: day(4), notes: "only a note" });
  expect(await announcedNow()).toEqual([]);
  await rewrite(made, { endDate: day(3) });
  expect(told(await announcedNow())).toHaveLength(4);
  expect(await announcedNow()).toEqual([]);
});

test("what comes back to its former end is announced under the same name, by which a mail is sent once", async () => {
  const { prescribe, rewrite } = await given();
  const made = await prescribe(day(3));
  const [first] = await announcedNow();
  await rewrite(made, { endDate: day(20) });
  expect(told(await announcedNow())).toEqual([
    "prescription.announcement-withdrawn",
    "prescription.called-off",
  ]);
  await rewrite(made, { endDate: day(3) });
  const again = await announcedNow();
  expect(told(again)).toEqual(["prescription.end-announced", "prescription.ending"]);
  expect(again[0]?.data.details?.reminder).toBe(first?.data.details?.reminder);
});

test.each(["stopped", "completed", "cancelled", "entered-in-error"])(
  "a prescription that is %s before or after it was announced is called off",
  async (status) => {
    const { prescribe, rewrite } = await given();
    const [early, late] = [await prescribe(day(3)), await prescribe(day(4))];
    await rewrite(early, { endDate: day(3), status });
    expect(told(await announcedNow())).toEqual(["prescription.end-announced", "prescription.ending"]);
    await rewrite(late, { endDate: day(4), status });
    expect(told(await announcedNow())).toEqual([
      "prescription.announcement-withdrawn",
      "prescription.called-off",
    ]);
  },
);

test("a deleted prescription, and an appointment that is moved or cancelled, are called off", async () => {
  const { doctor, prescribe, book } = await given();
  const { id } = await prescribe(day(3));
  const appointment = await book(inHours(6));
  const cancelled = await book(inHours(7));
  expect(await announcedNow()).toHaveLength(6);
  expect((await doctor.delete(`/v1/prescriptions/${id}`)).status).toBe(204);
  expect((await doctor.patch(`/v1/appointments/${appointment.id}`, inHours(8))).status).toBe(200);
  const off = { status: "cancelled", changeReason: "Travels" };
  expect((await doctor.patch(`/v1/appointments/${cancelled.id}`, off)).status).toBe(200);
  const names = told(await announcedNow()).toSorted();
  expect(names).toEqual(
    [
      ...["appointment.announcement-withdrawn", "appointment.announcement-withdrawn"],
      ...["appointment.called-off", "appointment.called-off"],
      ...["appointment.coming", "appointment.start-announced"],
      ...["prescription.announcement-withdrawn", "prescription.called-off"],
    ].toSorted(),
  );
  expect(await announcedNow()).toEqual([]);
});

test("threat: two processes, and one that died between, announce something twice", async () => {
  const { prescribe } = await given();
  for (let at = 0; at < 12; at++) await prescribe(day(1 + (at % 6)));
  await service.events();
  const counts = await Promise.all([run(), run(), run()]);
  expect(counts.reduce((sum, one) => sum + one)).toBe(12);
  expect(told(await service.events()).filter((name) => name === "prescription.ending")).toHaveLength(12);
  // One that died: nothing of its transaction is there, neither events nor what they are known by.
  const { id } = await prescribe(day(2));
  await service.superuser(`revoke insert on records_sys.outbox from medvault_records`);
  await expect(run()).rejects.toThrow();
  await service.superuser(`grant insert on records_sys.outbox to medvault_records`);
  const events = await announcedNow();
  expect(events.map(({ subject }) => subject)).toEqual([`prescription/${id}`, `prescription/${id}`]);
});

test("after days away all that is still to come is announced, and nothing that is over", async () => {
  const { prescribe, book, patientId } = await given();
  await prescribe(day(1));
  const { id } = await prescribe(day(4));
  await book(inHours(20));
  const all = await announcedNow(new Date(Date.now() + 3 * DAY_MS));
  const events = all.filter(({ data }) => data.patientIds[0] === patientId);
  expect(told(events)).toEqual(["prescription.end-announced", "prescription.ending"]);
  expect(events[0]?.subject).toBe(`prescription/${id}`);
  await run(new Date(Date.now() + 8 * DAY_MS));
  const { rows } = await service.context.pool.query(
    "select from reminders where due < now() + interval '4 days'",
  );
  expect(rows).toEqual([]);
});

test("rows from before there were reminders are found, each once, in batches, and far ones when they come near", async () => {
  const { prescribe } = await given();
  for (const days of [2, 3, 40]) await prescribe(day(days));
  await service.superuser("truncate records_sys.reminders, records_sys.reminder_cursors");
  await service.events();
  const soon = await announcedNow();
  expect(told(soon).filter((name) => name === "prescription.ending").length).toBeGreaterThanOrEqual(2);
  expect(await announcedNow()).toEqual([]);
  const later = await announcedNow(new Date(Date.now() + 34 * DAY_MS));
  expect(told(later)).toEqual(["prescription.end-announced", "prescription.ending"]);
});

test("a patient whose chart was merged into another is reminded at the account of that chart", async () => {
  const { doctor, account, patientId } = await given();
  const from = await givenPatient(doctor, {});
  const body = {
    patientId: from,
    medication: "Clopidogrel",
    dosage: "1",
    startDate: "2024-01-01",
    status: "active",
  };
  expect((await doctor.post("/v1/prescriptions", { ...body, endDate: day(2) })).status).toBe(201);
  await service.superuser(`insert into records.patient_merges (from_id, into_id, merged_by, merged_at) values
    ('${from}', '${patientId}', '${from}', now()), ('${patientId}', '${patientId}', '${from}', now())`);
  const [, domain] = await announcedNow();
  expect(domain?.data.details).toMatchObject({ recipient: account.actor.id });
});
