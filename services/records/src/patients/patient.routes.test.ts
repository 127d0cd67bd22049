import { encodeCursor } from "@medvault/contracts";
import { actor } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ADA,
  givenPatient,
  type Known,
  nobody,
  type Records,
  startRecords,
  visiblePart,
} from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

test("a doctor makes a patient, is on the care team, and sees sensitive fields masked", async () => {
  const doctor = service.someone("doctor");
  const made = await doctor.post<Known>("/v1/patients", ADA);
  expect(made).toMatchObject({
    status: 201,
    body: {
      givenName: "Ada",
      familyName: "Marsh-O'Neil",
      birthDate: "1971-02-03",
      nationalId: "S••••567D",
      phone: "5••••7731",
      email: "a••••mple",
      address: "1••••alls",
      userId: null,
    },
  });
  expect(made.headers.get("etag")).toBe('"1"');
  const [created] = await service.events();
  expect(created).toMatchObject({
    type: "medvault.records.patient.created.v1",
    subject: `patient/${made.body.id}`,
    source: "/medvault/records",
    data: {
      patientIds: [made.body.id],
      action: "patient:write",
      decision: { allowed: true, reason: "assigned" },
      outcome: "success",
      purpose: "TREAT",
      details: { rev: 1, boxSha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    },
  });
  const team = await doctor.get(`/v1/patients/${made.body.id}/care-team`);
  expect(team.body).toMatchObject({ items: [{ userId: doctor.actor.id, addedBy: doctor.actor.id }] });
});

test("no table holds what was written, in any plain form", async () => {
  const doctor = service.someone("doctor");
  await givenPatient(doctor, { givenName: "Zyxwvutmark", nationalId: "MARKED-4711-X" });
  const dump = await service.dump();
  for (const mark of ["Zyxwvutmark", "MARKED-4711-X", "1971-02-03"]) {
    for (const form of [
      mark,
      Buffer.from(mark).toString("hex"),
      Buffer.from(mark).toString("base64").slice(0, -4),
    ]) {
      expect(dump.toLowerCase()).not.toContain(form.toLowerCase());
    }
  }
});

test("unmasking needs the permission and an explicit purpose, and is an event of its own", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  await service.events();
  expect(await doctor.get(`/v1/patients/${id}?unmask=nationalId`)).toMatchObject({
    status: 400,
    body: { code: "purpose_required" },
  });
  const withPurpose = service.as({ ...doctor.actor, purpose: "TREAT" });
  await service.events();
  expect(await withPurpose.get(`/v1/patients/${id}?unmask=nationalId,phone`)).toMatchObject({
    status: 200,
    body: { nationalId: "S1234567D", phone: "555-014-7731", email: "a••••mple" },
  });
  expect(await service.events()).toMatchObject([
    { type: "medvault.records.patient.read.v1" },
    {
      type: "medvault.records.patient.unmasked.v1",
      data: { purpose: "TREAT", fields: ["nationalId", "phone"] },
    },
  ]);
  const noMore = service.as({
    ...withPurpose.actor,
    permissions: new Set([...doctor.actor.permissions].filter((p) => !p.startsWith("phi:"))),
  });
  expect(await noMore.get(`/v1/patients/${id}?unmask=nationalId`)).toMatchObject({ status: 403 });
  expect(await withPurpose.get(`/v1/patients/${id}?unmask=birthDate`)).toMatchObject({ status: 400 });
});

test("what exists and what does not look alike to anyone who may not know", async () => {
  const id = await givenPatient(service.someone("doctor"));
  const record = { type: "note", title: "t", body: "b", occurredAt: "2026-01-01T00:00:00Z" };
  const prescription = { medication: "m", dosage: "d", startDate: "2026-01-01", status: "active" };
  for (const stranger of [service.someone("doctor"), service.someone("patient")]) {
    const probes = (x: string) => [
      stranger.get(`/v1/patients/${x}`),
      stranger.patch(`/v1/patients/${x}`, { givenName: "Eve" }),
      stranger.patch(`/v1/patients/${x}`, { givenName: "Eve" }, { headers: { "if-match": '"9"' } }),
      stranger.get(`/v1/patients/${x}/care-team`),
      stranger.get(`/v1/patients/${x}/care-team/${stranger.actor.id}`),
      stranger.put(`/v1/patients/${x}/care-team/${stranger.actor.id}`),
      stranger.delete(`/v1/patients/${x}/care-team/${stranger.actor.id}`),
      stranger.get(`/v1/patients/${x}/records`),
      stranger.post(`/v1/patients/${x}/records`, record),
      stranger.get(`/v1/prescriptions?patientId=${x}`),
      stranger.post("/v1/prescriptions", { ...prescription, patientId: x }),
      stranger.post("/v1/prescriptions/search", { q: "acetyl", patientId: x }),
      stranger.get(`/v1/claims?patientId=${x}`),
      stranger.get(`/v1/fhir/Patient/${x}/$everything`),
      stranger.get(`/internal/patients/${x}/access?action=read`),
    ];
    const [known, unknown] = [await Promise.all(probes(id)), await Promise.all(probes(nobody()))];
    expect(known.map(visiblePart)).toEqual(unknown.map(visiblePart));
    expect([...new Set(known.map((answer) => answer.status))].sort()).toEqual(
      stranger.actor.role === "doctor" ? [404] : [403, 404],
    );
  }
  const events = await service.events();
  const denied = events.filter((e) => e.type === "medvault.records.request.denied.v1");
  expect(denied.filter((e) => e.data.patientIds.includes(id)).length).toBeGreaterThan(20);
  expect(denied.every((e) => e.data.outcome === "denied" && !e.data.decision.allowed)).toBe(true);
});

test("auditors and guests reach no patient data", async () => {
  const id = await givenPatient(service.someone("doctor"));
  const auditor = service.as(actor("auditor"));
  expect(await auditor.get(`/v1/patients/${id}`)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  expect(await auditor.post("/v1/patients/search", { q: "marsh" })).toMatchObject({ status: 403 });
  expect(await service.as(actor("guest")).get(`/v1/patients/${id}`)).toMatchObject({ status: 401 });
});

test("an admin reads any patient, and the event says by which scope", async () => {
  const id = await givenPatient(service.someone("doctor"));
  await service.events();
  const admin = service.someone("admin");
  expect((await admin.get(`/v1/patients/${id}`)).status).toBe(200);
  expect(await service.events()).toMatchObject([{ data: { decision: { allowed: true, reason: "role" } } }]);
});

test("nobody vouches for a record that its own account made, until staff treats the patient", async () => {
  const account = service.someone("patient");
  const own = await account.post<{ id: string }>("/v1/patients", ADA);
  const vouched = async (id: string) =>
    (await account.get<{ vouched: boolean }>(`/internal/patients/${id}/access?action=write`)).body.vouched;
  expect(await vouched(own.body.id)).toBe(false);
  const doctor = service.someone("doctor");
  await service.someone("admin").put(`/v1/patients/${own.body.id}/care-team/${doctor.actor.id}`);
  expect(await vouched(own.body.id)).toBe(true);
});

test("a patient makes one record of their own and finds it at /me", async () => {
  const account = service.someone("patient");
  expect(await account.get("/v1/patients/me")).toMatchObject({ status: 404 });
  const other = { ...ADA, userId: nobody() };
  expect(await account.post("/v1/patients", other)).toMatchObject({ status: 403 });
  expect(await account.post("/v1/patients", ADA)).toMatchObject({
    status: 201,
    body: { userId: account.actor.id },
  });
  expect(await account.post("/v1/patients", ADA)).toMatchObject({
    status: 409,
    body: { code: "user_already_linked" },
  });
  expect(await account.get("/v1/patients/me")).toMatchObject({
    status: 200,
    body: { userId: account.actor.id },
  });
  expect(await account.patch("/v1/patients/me", {})).toMatchObject({ status: 404 });
});

test("a doctor links a patient to an account, and no account to two", async () => {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const id = await givenPatient(doctor, { userId: account.actor.id });
  expect((await account.get("/v1/patients/me")).body).toMatchObject({ id });
  const second = await givenPatient(doctor);
  expect(await doctor.patch(`/v1/patients/${second}`, { userId: account.actor.id })).toMatchObject({
    status: 409,
    body: { code: "user_already_linked" },
  });
});

test("a change honours If-Match and moves the revision on", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  const patch = { familyName: "Fenwick", phone: null };
  const changed = await doctor.patch(`/v1/patients/${id}`, patch, { headers: { "if-match": '"1"' } });
  expect(changed).toMatchObject({
    status: 200,
    body: { familyName: "Fenwick", phone: null, nationalId: "S••••567D" },
  });
  expect(changed.headers.get("etag")).toBe('"2"');
  await service.events();
  expect(await doctor.patch(`/v1/patients/${id}`, patch, { headers: { "if-match": '"1"' } })).toMatchObject({
    status: 412,
    body: { code: "version_conflict" },
  });
  expect(await service.events()).toMatchObject([
    {
      type: "medvault.records.request.failed.v1",
      data: { outcome: "failure", decision: { reason: "version_conflict" } },
    },
  ]);
  expect(await doctor.post("/v1/patients/search", { q: "fenwick" })).toMatchObject({
    body: { items: [{ id }] },
  });
  expect(await doctor.post("/v1/patients/search", { q: "o'neil" })).toMatchObject({ body: { items: [] } });
});

test.each([
  ["an unknown field", { ...ADA, role: "admin" }, "role"],
  ["a day that is none", { ...ADA, birthDate: "1971-02-30" }, "birthDate"],
  ["a day first", { ...ADA, birthDate: "31/01/1980" }, "birthDate"],
  ["the year 0", { ...ADA, birthDate: "0000-01-01" }, "birthDate"],
  ["a blank name", { ...ADA, givenName: "  " }, "givenName"],
  ["half a character", { ...ADA, address: "\ud800" }, "address"],
  ["no email", { ...ADA, email: "ada" }, "email"],
])("a patient with %s is refused with its path", async (_what, body, path) => {
  const answer = await service.someone("doctor").post("/v1/patients", body);
  expect(answer).toMatchObject({ status: 400, body: { code: "invalid_input", errors: [{ path }] } });
});

test("search finds part of either order of a name, an exact id, a birth date, and all of them combined", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor, {
    givenName: "Wilhelmína",
    familyName: "Castellanos",
    nationalId: "X99887766",
  });
  await givenPatient(doctor, { givenName: "Wilbur", familyName: "Castle", birthDate: "1980-01-01" });
  await givenPatient(service.someone("doctor"), { givenName: "Wilhelmina", familyName: "Castellanos" });
  await service.events();
  const find = async (search: object) =>
    (await doctor.post<{ items: Known[] }>("/v1/patients/search", search)).body.items.map((item) => item.id);
  expect(await find({ q: "lhelmina" })).toEqual([id]);
  expect(await find({ q: "CASTELLANOS wil" })).toEqual([id]);
  expect(await find({ q: "wi" })).toHaveLength(2);
  expect(await find({ q: "w" })).toHaveLength(2);
  expect(await find({ q: "stellan", nationalId: "x99887766", birthDate: "1971-02-03" })).toEqual([id]);
  expect(await find({ nationalId: "X9988776" })).toEqual([]);
  expect(await find({ birthDate: "1980-01-01", q: "castellanos" })).toEqual([]);
  expect(await find({ q: "~" })).toEqual([]);
  const [event] = await service.events();
  expect(event).toMatchObject({ type: "medvault.records.patient.searched.v1", data: { patientIds: [id] } });
  expect(JSON.stringify(event)).not.toMatch(/helmina/i);
  expect(await doctor.post("/v1/patients/search", {})).toMatchObject({ status: 400 });
});

test("threat: a cursor of a year that Postgres has not is 400, never 500", async () => {
  const doctor = service.someone("doctor");
  for (const familyName of ["One", "Two"]) await givenPatient(doctor, { familyName });
  const { body } = await doctor.get<{ nextCursor: string | null }>("/v1/patients?limit=1");
  const cursor = JSON.parse(Buffer.from(body.nextCursor ?? "", "base64url").toString()) as object;
  for (const at of ["0000-01-01T00:00:00.000Z", "0000-01-01"]) {
    const forged = encodeCursor({ ...cursor, at });
    expect(await doctor.get(`/v1/patients?limit=1&cursor=${forged}`)).toMatchObject({ status: 400 });
  }
});

test("pages follow each other, newest first, and a cursor belongs to its filter", async () => {
  const doctor = service.someone("doctor");
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.unshift(await givenPatient(doctor, { familyName: `Pager${i}` }));
  type Page = { items: Known[]; nextCursor: string | null };
  for (const read of [
    (cursor: string) => doctor.get<Page>(`/v1/patients?limit=2${cursor && `&cursor=${cursor}`}`),
    (cursor: string) =>
      doctor.post<Page>("/v1/patients/search", { q: "pager", limit: 2, ...(cursor && { cursor }) }),
  ]) {
    const seen: string[][] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { body }: { body: Page } = await read(cursor);
      seen.push(body.items.map((item) => item.id));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  }
  const { body } = await doctor.get<Page>("/v1/patients?limit=2");
  const foreign = await doctor.get(
    `/v1/patients?limit=2&careTeamOf=${doctor.actor.id}&cursor=${body.nextCursor}`,
  );
  expect(foreign).toMatchObject({ status: 400, body: { errors: [{ path: "cursor" }] } });
  for (const bad of ["limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=e30", "q=ada"]) {
    expect(await doctor.get(`/v1/patients?${bad}`)).toMatchObject({
      status: 400,
      body: { code: "invalid_input" },
    });
  }
});

test("lists are filtered by care team and by time, within what the caller may see", async () => {
  const [doctor, colleague] = [service.someone("doctor"), service.someone("doctor")];
  const shared = await givenPatient(doctor);
  await givenPatient(doctor);
  await givenPatient(colleague);
  await doctor.put(`/v1/patients/${shared}/care-team/${colleague.actor.id}`);
  const list = async (query: string) =>
    (await doctor.get<{ items: Known[] }>(`/v1/patients?${query}`)).body.items.map((item) => item.id);
  expect(await list(`careTeamOf=${colleague.actor.id}`)).toEqual([shared]);
  expect(await list("updatedSince=2100-01-01T00:00:00Z")).toEqual([]);
  expect(await list("updatedSince=2000-01-01T00:00:00%2B02:00")).toHaveLength(2);
  const admin = service.someone("admin");
  const { body } = await admin.get<{ items: Known[] }>(`/v1/patients?careTeamOf=${colleague.actor.id}`);
  expect(body.items).toHaveLength(2);
});

test("one Idempotency-Key makes one patient, however many ask at once", async () => {
  const doctor = service.someone("doctor");
  const headers = { "idempotency-key": "make-ada-once" };
  await service.events();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => doctor.post<Known>("/v1/patients", ADA, { headers })),
  );
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201]));
  expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  expect(answers.filter((answer) => answer.headers.get("idempotency-replayed")).length).toBe(19);
  expect((await doctor.get<{ items: Known[] }>("/v1/patients")).body.items).toHaveLength(1);
  const types = (await service.events()).map((event) => event.type);
  expect(types.filter((type) => type === "medvault.records.patient.created.v1")).toHaveLength(1);
  expect(types.filter((type) => type === "medvault.records.patient.read.v1")).toHaveLength(19);
  expect(await doctor.post("/v1/patients", { ...ADA, sex: "male" }, { headers })).toMatchObject({
    status: 422,
    body: { code: "idempotency_key_reused" },
  });
  const id = answers[0]?.body.id;
  await doctor.delete(`/v1/patients/${id}/care-team/${doctor.actor.id}`);
  expect(await doctor.post("/v1/patients", ADA, { headers })).toMatchObject({ status: 404 });
});

test("who leaves the care team sees the patient no more, and the end is noted where a restore rewinds nothing", async () => {
  const [doctor, colleague] = [service.someone("doctor"), service.someone("doctor")];
  const id = await givenPatient(doctor);
  const place = `/v1/patients/${id}/care-team/${colleague.actor.id}`;
  expect(await doctor.put(place)).toMatchObject({ status: 200, body: { userId: colleague.actor.id } });
  expect((await colleague.get(`/v1/patients/${id}`)).status).toBe(200);
  await service.events();
  expect((await doctor.delete(place)).status).toBe(204);
  expect(await service.events()).toMatchObject([
    { type: "medvault.records.careteam.unassigned.v1", data: { details: { memberId: colleague.actor.id } } },
  ]);
  expect((await colleague.get(`/v1/patients/${id}`)).status).toBe(404);
  expect((await doctor.delete(place)).status).toBe(404);
  const { rows } = await service.context.pool.query(
    "select user_id from care_team_ends where patient_id = $1",
    [id],
  );
  expect(rows).toEqual([{ user_id: colleague.actor.id }]);
});

test("a box moved to another patient, or beside a changed column, does not open", async () => {
  const doctor = service.someone("doctor");
  const [one, other] = [await givenPatient(doctor), await givenPatient(doctor)];
  const { pool } = service.context;
  await pool.query("update patients set sealed = (select sealed from patients where id = $2) where id = $1", [
    one,
    other,
  ]);
  expect(await doctor.get(`/v1/patients/${one}`)).toMatchObject({
    status: 409,
    body: { code: "row_damaged" },
  });
  await pool.query("update patients set created_by = $2 where id = $1", [other, nobody()]);
  expect((await doctor.get(`/v1/patients/${other}`)).status).toBe(409);
});

test("the files service learns whether a person may touch a patient's files and what they hang on", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  const ask = (query: string) => doctor.get(`/internal/patients/${id}/access?${query}`);
  expect(await ask("action=write")).toMatchObject({
    status: 200,
    body: { allowed: true, patientId: id, reason: "assigned" },
  });
  expect((await ask(`action=write&prescriptionId=${nobody()}`)).status).toBe(404);
  expect((await ask("action=own")).status).toBe(400);
  const made = await doctor.post<Known>("/v1/prescriptions", {
    patientId: id,
    medication: "m",
    dosage: "d",
    startDate: "2026-01-01",
  });
  expect((await ask(`action=read&prescriptionId=${made.body.id}`)).status).toBe(200);
});
