import { readFile } from "node:fs/promises";
import { actor } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, givenPatient, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

test("whose account a record belongs to is moved by an admin alone, freshly signed in, and the event says whose", async () => {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const shadow = service.someone("patient");
  const id = await givenPatient(doctor, { userId: account.actor.id });
  for (const userId of [null, shadow.actor.id, doctor.actor.id]) {
    expect(await doctor.patch(`/v1/patients/${id}`, { userId })).toMatchObject({ status: 403 });
  }
  expect((await shadow.get("/v1/patients/me")).status).toBe(404);
  expect((await account.get("/v1/patients/me")).body).toMatchObject({ id });

  const stale = service.as(actor("admin", { authTime: Math.floor(Date.now() / 1000) - 700 }));
  expect(await stale.patch(`/v1/patients/${id}`, { userId: null })).toMatchObject({
    status: 403,
    body: { code: "step_up_required" },
  });
  await service.events();
  expect((await service.someone("admin").patch(`/v1/patients/${id}`, { userId: null })).status).toBe(200);
  expect((await account.get("/v1/patients/me")).status).toBe(404);
  expect((await service.events())[0]?.data.details).toMatchObject({
    linkedUserId: null,
    formerUserId: account.actor.id,
  });
});

test("no clinician makes or takes a patient record for themselves", async () => {
  const doctor = service.someone("doctor");
  const own = { ...ADA, userId: doctor.actor.id };
  expect(await doctor.post("/v1/patients", own)).toMatchObject({ status: 403 });
  const id = await givenPatient(doctor);
  expect(await doctor.patch(`/v1/patients/${id}`, { userId: doctor.actor.id })).toMatchObject({
    status: 403,
  });
});

test("a patient changes how they are reached, not who they are", async () => {
  const account = service.someone("patient");
  const { body } = await account.post<{ id: string }>("/v1/patients", ADA);
  expect((await account.patch(`/v1/patients/${body.id}`, { phone: "+49 30 1234567" })).status).toBe(200);
  for (const patch of [
    { givenName: "Eve" },
    { nationalId: "X1" },
    { birthDate: "1990-01-01" },
    { sex: "male" },
  ]) {
    expect(await account.patch(`/v1/patients/${body.id}`, patch)).toMatchObject({ status: 403 });
  }
});

test("a mask that is sent back as it was shown does not overwrite what it hides", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  const shown = (await doctor.get<{ nationalId: string }>(`/v1/patients/${id}`)).body.nationalId;
  expect(await doctor.patch(`/v1/patients/${id}`, { nationalId: shown })).toMatchObject({
    status: 400,
    body: { code: "invalid_input", errors: [{ path: "nationalId" }] },
  });
});

test("threat: after a restore a record that was relinked opens for who has it now, and not for who had it", async () => {
  const { pool } = service.context;
  const [doctor, first, second] = [
    service.someone("doctor"),
    service.someone("patient"),
    service.someone("patient"),
  ];
  const id = await givenPatient(doctor, { userId: first.actor.id });
  expect(
    await service.someone("admin").patch(`/v1/patients/${id}`, { userId: second.actor.id }),
  ).toMatchObject({ status: 200 });
  const { rows: noted } = await pool.query("select patient_id, user_id from account_links");
  expect(noted).toContainEqual({ patient_id: id, user_id: second.actor.id });

  // As a restore leaves it: the box of the first link, beside the account of the second.
  const other = await givenPatient(doctor, { userId: first.actor.id });
  await pool.query(
    "update patients set sealed_as = jsonb_build_object('user_id', user_id), user_id = $2 where id = $1",
    [other, service.someone("patient").actor.id],
  );
  expect((await first.get("/v1/patients/me")).status).toBe(404);
  expect((await first.get(`/v1/patients/${other}`)).status).toBe(404);
  await pool.query("update patients set user_id = null where id = $1", [id]);
  await pool.query("update patients set user_id = $2 where id = $1", [other, second.actor.id]);
  expect((await second.get("/v1/patients/me")).body).toMatchObject({ id: other, userId: second.actor.id });
  expect((await second.patch(`/v1/patients/${other}`, { phone: "1" })).status).toBe(200);
  expect((await second.get("/v1/patients/me")).body).toMatchObject({ id: other, userId: second.actor.id });
  const { rows } = await pool.query("select sealed_as from patients where id = $1", [other]);
  expect(rows).toEqual([{ sealed_as: null }]);
  expect((await doctor.post("/v1/prescriptions/search", { q: "x" })).status).toBe(200);
});

test("threat: what was taken before an upgrade is given back by a restore of a backup from before it", async () => {
  const { pool } = service.context;
  const [doctor, account] = [service.someone("doctor"), service.someone("patient")];
  const linked = await givenPatient(doctor, { userId: account.actor.id });
  const unlinked = await givenPatient(doctor);
  const note = { type: "note", title: "t", body: "b", occurredAt: "2026-01-01T00:00:00Z" };
  const { body } = await doctor.post<{ id: string }>(`/v1/patients/${linked}/records`, note);
  await doctor.delete(`/v1/records/${body.id}`);
  await pool.query("delete from hides");
  await pool.query("delete from account_links");
  const file = new URL("../../migrations/sys/0004_taken_before.sql", import.meta.url);
  await service.superuser(`set search_path = records_sys; ${await readFile(file, "utf8")}`);
  const { rows } = await pool.query("select patient_id, user_id from account_links");
  expect(rows).toContainEqual({ patient_id: linked, user_id: account.actor.id });
  expect(rows).toContainEqual({ patient_id: unlinked, user_id: null });
  expect((await pool.query("select row_id from hides")).rows).toContainEqual({ row_id: body.id });
});
