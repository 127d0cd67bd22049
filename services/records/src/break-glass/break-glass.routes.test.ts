import type { BreakGlassView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  givenPatient,
  givenPrescription,
  type Known,
  nobody,
  type Records,
  startRecords,
} from "../../test/harness.ts";
import { MAX_RUNNING } from "./break-glass.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const REASON = "Unconscious in the emergency room";
const EMERGENCY = { purpose: "ETREAT", reason: REASON };
const opening = (by: TestClient, patientId: string, body: object = EMERGENCY, options?: object) =>
  by.post<BreakGlassView>(`/v1/patients/${patientId}/break-glass`, body, options);

/** A patient with a prescription and an account; a doctor who is not on their care team. */
async function givenStranger() {
  const [doctor, stranger, account] = [
    service.someone("doctor"),
    service.someone("doctor"),
    service.someone("patient"),
  ] as const;
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const prescription = await givenPrescription(doctor, patientId);
  return { doctor, stranger, account, patientId, prescription };
}

/** Sets the end of every access to a chart into the past, as time would. */
const ended = (patientId: string) =>
  service.context.pool.query("update break_glass set expires_at = now() where patient_id = $1", [patientId]);

test("a doctor who breaks the glass reaches the chart until it ends, everywhere, and not after", async () => {
  const { stranger, patientId, prescription } = await givenStranger();
  const paths = [
    `/v1/patients/${patientId}`,
    `/v1/prescriptions/${prescription}`,
    `/v1/prescriptions?patientId=${patientId}`,
    `/v1/patients/${patientId}/records`,
    `/v1/patients/${patientId}/care-team`,
    `/v1/fhir/Patient/${patientId}/$everything`,
    `/internal/patients/${patientId}/access?action=read`,
  ];
  const statuses = async () => Promise.all(paths.map(async (path) => (await stranger.get(path)).status));
  const found = async () =>
    (await stranger.post<{ items: Known[] }>("/v1/prescriptions/search", { q: "acetyl" })).body.items.length;
  expect(await statuses()).toEqual(paths.map(() => 404));
  expect(await found()).toBe(0);
  const before = Date.now();
  const opened = await opening(stranger, patientId);
  expect(opened).toMatchObject({
    status: 201,
    body: { patientId, userId: stranger.actor.id, purpose: "ETREAT", reason: REASON, reviewed: "none" },
  });
  const lasts = Date.parse(opened.body.expiresAt) - before;
  expect(lasts).toBeGreaterThan(59 * 60_000);
  expect(lasts).toBeLessThan(61 * 60_000);
  expect(await statuses()).toEqual(paths.map(() => 200));
  expect(await found()).toBe(1);
  const note = { type: "note", title: "Seen", body: "Breathing", occurredAt: "2026-01-01T00:00:00Z" };
  expect(await stranger.post(`/v1/patients/${patientId}/records`, note)).toMatchObject({ status: 201 });
  await ended(patientId);
  expect(await statuses()).toEqual(paths.map(() => 404));
  expect(await found()).toBe(0);
  expect((await stranger.get<{ items: Known[] }>("/v1/patients")).body.items).toEqual([]);
});

test("its event names who, whose and until when, under its purpose; never the reason", async () => {
  const { stranger, patientId } = await givenStranger();
  await service.events();
  const { id, expiresAt } = (await opening(stranger, patientId)).body;
  const events = await service.events();
  expect(events.map(({ type }) => type)).toEqual(["medvault.records.breakglass.opened.v1"]);
  expect(events[0]).toMatchObject({
    subject: `breakglass/${id}`,
    data: {
      actor: { id: stranger.actor.id },
      patientIds: [patientId],
      purpose: "ETREAT",
      details: { expiresAt, reviewed: "none" },
    },
  });
  expect(JSON.stringify(events)).not.toContain("Unconscious");
  const { rows } = await service.context.pool.query(
    "select open::text, sealed from break_glass where id = $1",
    [id],
  );
  expect(rows[0].open + rows[0].sealed.toString("latin1")).not.toContain("Unconscious");
});

test("only an emergency with a reason breaks the glass, and only for those who treat people", async () => {
  const { stranger, account, patientId } = await givenStranger();
  const faulty = [
    {},
    { purpose: "ETREAT" },
    { purpose: "TREAT", reason: REASON },
    { purpose: "ETREAT", reason: "too short" },
    { purpose: "ETREAT", reason: "          ." },
    { purpose: "ETREAT", reason: "\u200b".repeat(12) },
    { purpose: "ETREAT", reason: "x".repeat(501) },
    { ...EMERGENCY, expiresAt: "2099-01-01T00:00:00Z" },
    { ...EMERGENCY, userId: nobody() },
  ];
  for (const body of faulty) expect(await opening(stranger, patientId, body)).toMatchObject({ status: 400 });
  for (const by of [account, service.someone("auditor"), service.someone("patient")])
    expect(await opening(by, patientId)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  expect(await opening(service.someone("guest"), patientId)).toMatchObject({ status: 401 });
  expect(await opening(stranger, nobody())).toMatchObject({ status: 404 });
  const late = service.someone("doctor", { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect(await opening(late, patientId)).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  expect((await stranger.get(`/v1/patients/${patientId}`)).status).toBe(404);
});

test("of many at once by one person one is opened, and no second one while it runs", async () => {
  const { stranger, patientId } = await givenStranger();
  const raced = await Promise.all(Array.from({ length: 8 }, () => opening(stranger, patientId)));
  expect(raced.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
  expect(await opening(stranger, patientId)).toMatchObject({
    status: 409,
    body: { code: "break_glass_running" },
  });
  await ended(patientId);
  expect(await opening(stranger, patientId)).toMatchObject({ status: 201 });
});

test("a repeated request with its Idempotency-Key is answered again, not opened again", async () => {
  const { stranger, patientId } = await givenStranger();
  const options = { headers: { "idempotency-key": "one-emergency" } };
  const first = await opening(stranger, patientId, EMERGENCY, options);
  const again = await opening(stranger, patientId, EMERGENCY, options);
  expect([first.status, again.status, again.body.id]).toEqual([201, 201, first.body.id]);
  await ended(patientId);
  expect((await opening(stranger, patientId, EMERGENCY, options)).status).toBe(404);
});

test("a person who opens one chart after the other is stopped", async () => {
  const [doctor, stranger] = [service.someone("doctor"), service.someone("doctor")];
  const charts = await Promise.all(Array.from({ length: MAX_RUNNING + 1 }, () => givenPatient(doctor)));
  const answers = await Promise.all(charts.map((id) => opening(stranger, id)));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(MAX_RUNNING);
  expect(answers.filter(({ status }) => status !== 201)).toMatchObject([
    { status: 409, body: { code: "break_glass_limit" } },
  ]);
});

test("patients see who opened their chart and why; others' charts stay out of sight", async () => {
  const { doctor, stranger, account, patientId } = await givenStranger();
  const { id } = (await opening(stranger, patientId)).body;
  const other = await givenStranger();
  await opening(other.stranger, other.patientId);
  for (const by of [account, doctor, stranger]) {
    const shown = await by.get<{ items: BreakGlassView[] }>(`/v1/break-glass?patientId=${patientId}`);
    expect(shown.body.items).toMatchObject([{ id, reason: REASON, userId: stranger.actor.id }]);
    const all = await by.get<{ items: BreakGlassView[] }>("/v1/break-glass");
    expect(all.body.items.map((one) => one.patientId)).not.toContain(other.patientId);
  }
  for (const by of [other.account, other.stranger]) {
    expect((await by.get(`/v1/break-glass/${id}`)).status).toBe(404);
    expect((await by.get(`/v1/break-glass?patientId=${patientId}`)).status).toBe(404);
  }
  expect((await service.someone("guest").get("/v1/break-glass")).status).toBe(401);
});

test("an auditor reviews it, with a note that the patient reads; nobody reviews their own", async () => {
  const { doctor, stranger, account, patientId } = await givenStranger();
  const auditor = service.someone("auditor");
  const { id } = (await opening(stranger, patientId)).body;
  const path = `/v1/break-glass/${id}`;
  const unseen = await auditor.get<{ items: BreakGlassView[] }>("/v1/break-glass?reviewed=none&limit=100");
  expect(unseen.body.items.map((one) => one.id)).toContain(id);
  const review = { reviewed: "justified", note: "Came by ambulance" };
  for (const by of [doctor, stranger, account])
    expect(await by.patch(path, review)).toMatchObject({ status: 403 });
  for (const body of [
    {},
    { reviewed: "none" },
    { reviewed: "maybe" },
    { ...review, expiresAt: "2099-01-01T00:00:00Z" },
  ])
    expect(await auditor.patch(path, body)).toMatchObject({ status: 400 });
  expect(await auditor.patch(path, review, { headers: { "if-match": '"7"' } })).toMatchObject({
    status: 412,
  });
  await service.events();
  expect(await auditor.patch(path, review)).toMatchObject({
    status: 200,
    body: { ...review, reviewedBy: auditor.actor.id },
  });
  const events = await service.events();
  expect(events).toMatchObject([
    { type: "medvault.records.breakglass.reviewed.v1", data: { details: { reviewed: "justified" } } },
  ]);
  expect(JSON.stringify(events)).not.toContain("ambulance");
  expect((await account.get<BreakGlassView>(path)).body).toMatchObject(review);
  expect(await auditor.patch(path, { reviewed: "unjustified" })).toMatchObject({
    status: 409,
    body: { code: "invalid_transition" },
  });
  expect((await account.get<BreakGlassView>(path)).body).toMatchObject(review);
  expect(await auditor.patch(`/v1/break-glass/${nobody()}`, review)).toMatchObject({ status: 404 });
  // Auditors reach no chart by it.
  expect((await auditor.get(`/v1/patients/${patientId}`)).status).toBe(403);

  const admin = service.someone("admin");
  const own = (await opening(admin, patientId)).body;
  expect(await admin.patch(`/v1/break-glass/${own.id}`, review)).toMatchObject({ status: 403 });
});

test("threat: someone uses an emergency to reach a chart for good; nothing that outlives it is done by it", async () => {
  const { doctor, stranger, account, patientId, prescription } = await givenStranger();
  const own = await givenPatient(stranger, { nationalId: "X-77" });
  await opening(stranger, patientId);
  const team = (userId: string) => `/v1/patients/${patientId}/care-team/${userId}`;
  const tried = [
    await stranger.put(team(stranger.actor.id)),
    await stranger.delete(team(doctor.actor.id)),
    await stranger.post(`/v1/patients/${own}/merge`, { from: patientId }),
    await stranger.post(`/v1/patients/${patientId}/merge`, { from: own }),
    await stranger.patch(`/v1/patients/${patientId}`, { phone: "555-000-1111" }),
    await stranger.delete(`/v1/prescriptions/${prescription}`),
  ];
  expect(tried.map(({ status }) => status)).toEqual(tried.map(() => 404));
  // Merged by who may, it is not parted by an emergency either.
  const twin = await givenPatient(doctor, { nationalId: "X-78" });
  expect((await doctor.post(`/v1/patients/${patientId}/merge`, { from: twin })).status).toBe(200);
  expect((await stranger.post(`/v1/patients/${twin}/unmerge`)).status).toBe(404);
  await ended(patientId);
  expect((await stranger.get(`/v1/patients/${patientId}`)).status).toBe(404);
  expect((await account.get(`/v1/patients/${patientId}`)).status).toBe(200);
});

test("a chart that was merged is reached by any of its ids", async () => {
  const { doctor, stranger, patientId } = await givenStranger();
  const merged = await givenPatient(doctor, { givenName: "Adelina", nationalId: "X-99" });
  await doctor.post(`/v1/patients/${patientId}/merge`, { from: merged });
  expect(await opening(stranger, merged)).toMatchObject({ status: 201, body: { patientId } });
  for (const id of [merged, patientId]) expect((await stranger.get(`/v1/patients/${id}`)).status).toBe(200);
  expect(await opening(stranger, patientId)).toMatchObject({ status: 409 });
});

test("patients and admins see who can reach a chart now, and why", async () => {
  const { doctor, stranger, account, patientId } = await givenStranger();
  const { expiresAt } = (await opening(stranger, patientId)).body;
  const path = `/v1/patients/${patientId}/access`;
  for (const by of [account, service.someone("admin")]) {
    const { status, body } = await by.get<{ items: { userId: string }[]; roles: string[] }>(path);
    expect(status).toBe(200);
    expect(body.roles).toEqual(["admin"]);
    expect(body.items).toHaveLength(3);
    expect(body.items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ userId: account.actor.id, reason: "own", until: null }),
        expect.objectContaining({ userId: doctor.actor.id, reason: "assigned", until: null }),
        expect.objectContaining({ userId: stranger.actor.id, reason: "break_glass", until: expiresAt }),
      ]),
    );
  }
  await ended(patientId);
  expect((await account.get<{ items: unknown[] }>(path)).body.items).toHaveLength(2);
  for (const by of [doctor, stranger, service.someone("auditor")])
    expect((await by.get(path)).status).toBe(403);
  expect((await (await givenStranger()).account.get(path)).status).toBe(404);
  expect(
    (await service.events()).filter(({ type }) => type === "medvault.records.access.listed.v1"),
  ).toHaveLength(3);
});
