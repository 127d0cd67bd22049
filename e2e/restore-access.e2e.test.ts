import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { type Client, stepUp } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, type Person, registerPatient, text } from "./support/people.ts";

let admin: Client;
let secrets: { password: string; totpSecret: string };
let [doctor, leaving, coming, first, second] = [] as unknown as Person[];
let patientId: string;
beforeAll(async () => {
  ({ client: admin, ...secrets } = await freshAdmin(ops()));
  [doctor, leaving, coming] = [
    await invite(ops(), admin, "doctor"),
    await invite(ops(), admin, "doctor"),
    await invite(ops(), admin, "doctor"),
  ];
  [first, second] = [await registerPatient(ops()), await registerPatient(ops())];
  const made = await doctor?.client.post("/v1/patients", {
    givenName: "Odile",
    familyName: "Vantongeren",
    birthDate: "1961-07-08",
    sex: "female",
    userId: first?.id,
  });
  patientId = text(made?.body ?? {}, "id");
}, 180_000);

const as = (person: Person | undefined): Client => (person as Person).client;
const member = (id: string | undefined) => `/v1/patients/${patientId}/care-team/${id}`;

test("threat: an id that is no staff comes onto a care team", async () => {
  for (const id of [randomUUID(), first?.id]) {
    expect(await as(doctor).put(member(id), {})).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
  expect(await as(doctor).put(member(leaving?.id), { role: "x" })).toMatchObject({ status: 400 });
  expect((await as(doctor).put(member(leaving?.id), {})).status).toBe(200);
  expect((await as(leaving).get(`/v1/patients/${patientId}`)).status).toBe(200);
  const nobodys = {
    givenName: "A",
    familyName: "B",
    birthDate: "1990-01-01",
    sex: "male",
    userId: randomUUID(),
  };
  expect(await as(doctor).post("/v1/patients", nobodys)).toMatchObject({
    status: 400,
    body: { code: "invalid_input", errors: [{ path: "userId" }] },
  });
});

test("threat: a restore gives back what was taken since the backup, and takes what was given instead", async () => {
  const note = { type: "note", title: "Seen", body: "Well", occurredAt: "2026-01-01T00:00:00Z" };
  const record = text((await as(doctor).post(`/v1/patients/${patientId}/records`, note)).body, "id");
  expect((await as(first).get(`/v1/patients/${patientId}`)).status).toBe(200);
  const backupId = text((await admin.post("/v1/backups", {})).body, "id");
  const backup = async () => (await admin.get(`/v1/backups/${backupId}`)).body;
  await expect.poll(async () => (await backup()).state, { timeout: 60_000 }).toBe("complete");

  await stepUp(admin, secrets);
  const moved = await admin.call("PATCH", `/v1/patients/${patientId}`, {
    body: { userId: second?.id, familyName: "Wrong" },
  });
  expect(moved, JSON.stringify(moved.body)).toMatchObject({ status: 200 });
  expect((await as(doctor).delete(`/v1/records/${record}`)).status).toBe(204);
  expect((await as(doctor).delete(member(leaving?.id))).status).toBe(204);
  expect((await as(doctor).put(member(coming?.id), {})).status).toBe(200);

  expect((await admin.post(`/v1/backups/${backupId}/restore`, {})).status).toBe(202);
  const state = async () => ((await backup()).restore as { state: string } | null)?.state;
  await expect.poll(state, { timeout: 90_000 }).toBe("complete");

  const read = (person: Person | undefined) => as(person).get(`/v1/patients/${patientId}`);
  expect((await read(first)).status).toBe(404);
  expect((await as(first).get("/v1/patients/me")).status).toBe(404);
  expect(await read(second)).toMatchObject({
    status: 200,
    body: { familyName: "Vantongeren", userId: second?.id },
  });
  expect((await as(second).get("/v1/patients/me")).body).toMatchObject({ id: patientId });
  expect((await as(doctor).get(`/v1/records/${record}`)).status).toBe(404);
  expect((await as(doctor).get(`/v1/patients/${patientId}/records`)).body).toMatchObject({ items: [] });
  expect((await read(leaving)).status).toBe(404);
  expect((await read(coming)).status).toBe(200);
  expect((await as(doctor).get(`/v1/fhir/Patient/${patientId}/$everything`)).status).toBe(200);
}, 240_000);
