import type { AppointmentView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords, visiblePart } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords({ env: { MEDVAULT_CLINIC_TIME_ZONE: "Europe/Berlin" } });
});
afterAll(() => service?.close());

/** A time `minutes` after nine of some day to come. */
const base = Math.ceil(Date.now() / 86_400_000 + 7) * 86_400_000 + 9 * 3_600_000;
const at = (minutes: number) => new Date(base + minutes * 60_000).toISOString();
const slot = (minutes = 0, length = 30) => ({ startsAt: at(minutes), endsAt: at(minutes + length) });
const TAKEN = { status: 409, body: { code: "slot_taken" } };
const STEP_REFUSED = { status: 409, body: { code: "invalid_transition" } };

async function given() {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const doctorId = doctor.actor.id;
  const book = (fields: object = slot(), as: TestClient = doctor) =>
    as.post<AppointmentView>("/v1/appointments", { patientId, doctorId, reason: "Cough", ...fields });
  return { doctor, account, patientId, doctorId, book };
}
const pathOf = ({ body }: { body: AppointmentView }) => `/v1/appointments/${body.id}`;

test("an appointment is booked, moved, cancelled with a reason; each act is in the log, and no reason is", async () => {
  const { doctor, patientId, doctorId, book } = await given();
  await service.events();
  const made = await book();
  expect(made).toMatchObject({
    status: 201,
    body: { patientId, doctorId, ...slot(), reason: "Cough", status: "booked", changeReason: null },
  });
  const path = pathOf(made);
  const moved = await doctor.patch(path, { ...slot(60), changeReason: "Surgery runs late" });
  expect(moved).toMatchObject({ status: 200, body: { ...slot(60), changeReason: "Surgery runs late" } });
  expect(moved.headers.get("etag")).toBe('"2"');
  const stale = await doctor.patch(path, { reason: "x" }, { headers: { "if-match": '"1"' } });
  expect(stale).toMatchObject({ status: 412, body: { code: "version_conflict" } });
  const cancelled = await doctor.patch(path, { status: "cancelled", changeReason: "Travels" });
  expect(cancelled).toMatchObject({ status: 200, body: { status: "cancelled", changeReason: "Travels" } });
  expect(await doctor.patch(path, { status: "booked" })).toMatchObject(STEP_REFUSED);
  const { body } = await doctor.get<{ items: AppointmentView[] }>(`${path}/versions`);
  expect(body.items.map((one) => [one.startsAt, one.changeReason])).toEqual([
    [at(60), "Travels"],
    [at(60), "Surgery runs late"],
    [at(0), null],
  ]);
  const events = await service.events();
  const done = events.filter((event) => event.data.outcome === "success");
  expect(done.map(({ type }) => type.split(".").slice(2, 4).join("."))).toEqual([
    "appointment.created",
    "appointment.rescheduled",
    "appointment.cancelled",
    "appointment.versions-read",
  ]);
  for (const { data } of done) expect(data.patientIds).toEqual([patientId]);
  expect(JSON.stringify(events)).not.toMatch(/Cough|Surgery|Travels/);
  const { rows } = await service.context.pool.query("select a::text from appointments a");
  expect(JSON.stringify(rows)).not.toMatch(/Cough|Surgery|Travels/);
});

test("threat: two bookings of one slot race; of twenty exactly one wins, and no two that stand overlap", async () => {
  const { doctor, doctorId, book } = await given();
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => book(slot(n % 30, 30))));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(409)]);
  for (const one of answers.filter(({ status }) => status === 409)) expect(one).toMatchObject(TAKEN);
  const { body } = await doctor.get<{ items: [] }>(`/v1/appointments?doctorId=${doctorId}`);
  expect(body.items).toHaveLength(1);
});

test("threat: two are moved onto one free slot at once; one wins, the other stays where it was", async () => {
  const { doctor, book } = await given();
  const paths = [pathOf(await book(slot(0))), pathOf(await book(slot(30))), pathOf(await book(slot(60)))];
  const answers = await Promise.all(paths.map((path) => doctor.patch(path, slot(300))));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  const now = await Promise.all(paths.map(async (path) => (await doctor.get<AppointmentView>(path)).body));
  for (const [n, { status }] of answers.entries())
    expect(now[n]?.startsAt).toBe(status === 200 ? at(300) : at(n * 30));
});

test("back to back is free, an overlap of any kind is taken, and of another doctor it is free", async () => {
  const { doctor, patientId, book } = await given();
  expect((await book(slot(60, 60))).status).toBe(201);
  for (const free of [slot(30, 30), slot(120, 30)]) expect((await book(free)).status).toBe(201);
  for (const taken of [slot(60, 60), slot(45, 30), slot(119, 1), slot(70, 10), slot(0, 300)])
    expect(await book(taken)).toMatchObject(TAKEN);
  const other = nobody();
  expect((await book({ ...slot(60, 60), doctorId: other })).status).toBe(201);
  const { body } = await doctor.get<{ items: [] }>(`/v1/appointments?patientId=${patientId}`);
  expect(body.items).toHaveLength(4);
});

test("a cancelled or deleted appointment frees its slot; one that took place does not", async () => {
  const { doctor, book } = await given();
  const first = pathOf(await book());
  expect((await doctor.patch(first, { status: "cancelled" })).status).toBe(200);
  const second = pathOf(await book());
  expect((await doctor.delete(second)).status).toBe(204);
  expect((await doctor.get(second)).status).toBe(404);
  const third = pathOf(await book());
  for (const status of ["arrived", "fulfilled"])
    expect((await doctor.patch(third, { status })).status).toBe(200);
  expect(await book()).toMatchObject(TAKEN);
});

test("a move onto a taken slot is refused and keeps the old time, and the change of doctor asks the other's time", async () => {
  const { doctor, book } = await given();
  const other = nobody();
  const path = pathOf(await book(slot(0)));
  await book(slot(60));
  await book({ ...slot(0), doctorId: other });
  await service.events();
  expect(await doctor.patch(path, slot(60))).toMatchObject(TAKEN);
  expect(await doctor.patch(path, { doctorId: other })).toMatchObject(TAKEN);
  expect(await doctor.get(path)).toMatchObject({ body: { ...slot(0), doctorId: doctor.actor.id } });
  const refusals = (await service.events()).filter(({ type }) => type.includes(".request.failed."));
  expect(refusals).toHaveLength(2);
  expect(refusals[0]?.data).toMatchObject({ outcome: "failure" });
});

test("the same Idempotency-Key books once", async () => {
  const { doctor, patientId, doctorId } = await given();
  const options = { headers: { "idempotency-key": "once" } };
  const body = { patientId, doctorId, ...slot() };
  const first = await doctor.post("/v1/appointments", body, options);
  expect(first.status).toBe(201);
  expect(await doctor.post("/v1/appointments", body, options)).toMatchObject({
    status: 201,
    body: first.body,
  });
});

test("on the day when clocks go back both 02:30s are booked, and the day has 25 hours", async () => {
  const year = new Date().getUTCFullYear() + 1;
  const sunday = 31 - ((new Date(Date.UTC(year, 9, 31)).getUTCDay() + 7) % 7);
  const day = `${year}-10-${sunday}`;
  const { doctor, doctorId, book } = await given();
  const half = (start: string, end: string) => book({ startsAt: `${day}T${start}`, endsAt: `${day}T${end}` });
  expect((await half("02:30:00+02:00", "03:00:00+02:00")).status).toBe(201);
  expect((await half("02:30:00+01:00", "03:00:00+01:00")).status).toBe(201);
  expect(await half("02:00:00+01:00", "02:30:00+01:00")).toMatchObject({ status: 201 });
  expect(await half("00:30:00Z", "00:50:00Z")).toMatchObject(TAKEN);
  expect((await half("00:00:00+02:00", "00:30:00+02:00")).status).toBe(201);
  expect((await half("23:30:00+01:00", "23:59:00+01:00")).status).toBe(201);
  const { body } = await doctor.get<{ items: [] }>(
    `/v1/appointments?doctorId=${doctorId}&from=${day}&to=${day}`,
  );
  expect(body.items).toHaveLength(5);
  expect(await half("02:30:00", "03:00:00")).toMatchObject({
    status: 400,
    body: { errors: [{ path: "startsAt" }, { path: "endsAt" }] },
  });
});

test("a patient reads and cancels their own; strangers learn nothing of it", async () => {
  const { account, patientId, book } = await given();
  const path = pathOf(await book());
  expect(await account.get("/v1/appointments")).toMatchObject({ body: { items: [{ patientId }] } });
  expect((await book(slot(90), account)).status).toBe(403);
  for (const patch of [slot(90), { status: "arrived" }, { reason: "x" }])
    expect((await account.patch(path, patch)).status).toBe(403);
  expect((await account.delete(path)).status).toBe(403);
  for (const stranger of [service.someone("doctor"), service.someone("patient")]) {
    const probes = (x: string) =>
      Promise.all([stranger.get(x), stranger.patch(x, { status: "cancelled" }), stranger.delete(x)]);
    const [known, unknown] = [await probes(path), await probes(`/v1/appointments/${nobody()}`)];
    expect(known.map(visiblePart)).toEqual(unknown.map(visiblePart));
    expect(await stranger.get("/v1/appointments")).toMatchObject({ body: { items: [], nextCursor: null } });
    expect((await stranger.get(`/v1/appointments?patientId=${patientId}`)).status).toBe(404);
  }
  const mine = await account.patch(path, { status: "cancelled", changeReason: "I feel well" });
  expect(mine).toMatchObject({ status: 200, body: { status: "cancelled", updatedBy: account.actor.id } });
  expect(await account.patch(path, { status: "cancelled" })).toMatchObject(STEP_REFUSED);
});

test("a doctor's day shows those of patients in reach alone, and a patient out of reach is booked by nobody", async () => {
  const { doctor, doctorId, book } = await given();
  const admin = service.someone("admin");
  const unseen = await givenPatient(service.someone("doctor"));
  expect(await book({ ...slot(), patientId: unseen })).toMatchObject({ status: 404 });
  expect((await book({ ...slot(), patientId: unseen }, admin)).status).toBe(201);
  const seen = (await book(slot(60))).body.id;
  const day = async (of: TestClient) =>
    (await of.get<{ items: AppointmentView[] }>(`/v1/appointments?doctorId=${doctorId}`)).body.items;
  expect((await day(doctor)).map(({ id }) => id)).toEqual([seen]);
  expect(await day(admin)).toHaveLength(2);
  // Nor does a refusal say whose time it is.
  expect(await book()).toMatchObject(TAKEN);
});

test("a list narrows by doctor, patient, status and time, the latest first, page by page", async () => {
  const { doctor, patientId, doctorId, book } = await given();
  const ids: string[] = [];
  for (const n of [0, 1, 2]) ids.push((await book(slot(n * 60))).body.id);
  await doctor.patch(`/v1/appointments/${ids[1]}`, { status: "arrived" });
  const list = async (query: string) =>
    (await doctor.get<{ items: { id: string }[] }>(`/v1/appointments?${query}`)).body.items.map(
      ({ id }) => id,
    );
  const [first, second, third] = ids;
  expect(await list(`doctorId=${doctorId}`)).toEqual([third, second, first]);
  expect(await list(`doctorId=${doctorId}&status=booked`)).toEqual([third, first]);
  expect(await list(`patientId=${patientId}&from=${at(60)}`)).toEqual([third, second]);
  expect(await list(`from=${at(0)}&to=${at(60)}`)).toEqual([first]);
  expect(await list(`doctorId=${nobody()}`)).toEqual([]);
  const page = await doctor.get<{ nextCursor: string }>(`/v1/appointments?doctorId=${doctorId}&limit=2`);
  expect(await list(`doctorId=${doctorId}&cursor=${page.body.nextCursor}`)).toEqual([first]);
});

test("the doctor is an active doctor; while auth cannot say, nothing is booked", async () => {
  const { doctor, book } = await given();
  const path = pathOf(await book());
  for (const role of ["admin", "patient", "auditor", null] as const) {
    const doctorId = nobody();
    service.auth.standing.set(doctorId, role);
    const refused = { status: 400, body: { code: "invalid_input", errors: [{ path: "doctorId" }] } };
    expect(await book({ ...slot(90), doctorId })).toMatchObject(refused);
    expect(await doctor.patch(path, { doctorId })).toMatchObject(refused);
  }
  const unknown = nobody();
  service.auth.standing.set(unknown, 503);
  expect((await book({ ...slot(90), doctorId: unknown })).status).toBe(503);
});

const days = (n: number) => new Date(Date.now() + n * 86_400_000).toISOString();
test.each([
  ["an end before its beginning", { startsAt: at(30), endsAt: at(0) }, "endsAt"],
  ["no length", { startsAt: at(0), endsAt: at(0) }, "endsAt"],
  ["more than a day", { startsAt: at(0), endsAt: at(24 * 60 + 1) }, "endsAt"],
  ["a time long past", { startsAt: days(-400), endsAt: days(-400) }, "startsAt"],
  ["a time far ahead", { startsAt: days(4000), endsAt: days(4000) }, "startsAt"],
  ["a local time", { startsAt: "2027-01-01T09:00:00" }, "startsAt"],
  ["a status that is none to begin with", { status: "fulfilled" }, "status"],
  ["a doctor who is no id", { doctorId: "me" }, "doctorId"],
])("an appointment with %s is refused with its path", async (_what, fields, path) => {
  const { book } = await given();
  const answer = await book({ ...slot(), ...fields });
  expect(answer).toMatchObject({ status: 400, body: { code: "invalid_input" } });
  const { errors } = answer.body as unknown as { errors: { path: string }[] };
  expect(errors.map((one) => one.path)).toContain(path);
});

test("threat: an appointment is moved into another patient's chart", async () => {
  const { doctor, patientId, book } = await given();
  const path = pathOf(await book());
  const other = await givenPatient(doctor);
  expect(await doctor.patch(path, { patientId: other })).toMatchObject({ status: 400 });
  expect(await doctor.get(path)).toMatchObject({ body: { patientId } });
});
