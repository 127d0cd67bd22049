import type { ConsentView } from "@medvault/contracts";
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
import { MAX_CONSENTS } from "./consent.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const NOTE = { type: "note", title: "Seen", body: "Breathing", occurredAt: "2026-01-01T00:00:00Z" };
const purposed = (purpose: string) => ({ headers: { "x-purpose": purpose } });
const giving = (by: TestClient, patientId: string, body: object, options?: object) =>
  by.post<ConsentView>(`/v1/patients/${patientId}/consents`, body, options);
const revoking = (by: TestClient, patientId: string, id: string) =>
  by.delete(`/v1/patients/${patientId}/consents/${id}`);

/**
 * A patient with an account and rows of each kind; a doctor on the care team, and one who is not.
 */
async function givenChart() {
  const [doctor, stranger, account] = [
    service.someone("doctor"),
    service.someone("doctor"),
    service.someone("patient"),
  ] as const;
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const prescription = await givenPrescription(doctor, patientId);
  const record = (await doctor.post<Known>(`/v1/patients/${patientId}/records`, NOTE)).body.id;
  return { doctor, stranger, account, patientId, prescription, record };
}
type GivenChart = Awaited<ReturnType<typeof givenChart>>;

const readings = ({ patientId, prescription, record }: GivenChart): string[] => [
  `/v1/patients/${patientId}`,
  `/v1/prescriptions/${prescription}`,
  `/v1/prescriptions?patientId=${patientId}`,
  `/v1/patients/${patientId}/records`,
  `/v1/records/${record}`,
  `/v1/records/${record}/versions`,
  `/v1/patients/${patientId}/care-team`,
  `/v1/fhir/Patient/${patientId}/$everything`,
  `/internal/patients/${patientId}/access?action=read`,
];
const statuses = (by: TestClient, paths: readonly string[], options?: object) =>
  Promise.all(paths.map(async (path) => (await by.get(path, options)).status));
const found = async (by: TestClient) =>
  (await by.post<{ items: Known[] }>("/v1/prescriptions/search", { q: "acetyl" })).body.items.length;
const people = async (by: TestClient) =>
  (await by.post<{ items: Known[] }>("/v1/patients/search", { q: "ada" })).body.items.map(({ id }) => id);

test("a patient opens their chart to someone for a purpose: read everywhere, written nowhere, until revoked", async () => {
  const chart = await givenChart();
  const { stranger, account, patientId, prescription } = chart;
  const paths = readings(chart);
  expect(await statuses(stranger, paths)).toEqual(paths.map(() => 404));
  const given = await giving(account, patientId, { grantee: stranger.actor.id, purpose: "TREAT" });
  expect(given).toMatchObject({
    status: 201,
    body: {
      patientId,
      grantee: stranger.actor.id,
      purpose: "TREAT",
      closes: null,
      givenBy: account.actor.id,
    },
  });
  expect(await statuses(stranger, paths)).toEqual(paths.map(() => 200));
  expect([await found(stranger), await people(stranger)]).toEqual([1, [patientId]]);
  expect((await stranger.get<{ items: Known[] }>("/v1/patients")).body.items).toHaveLength(1);
  // For another purpose it is not open, and nothing is written by it.
  expect(await statuses(stranger, paths, purposed("HPAYMT"))).toEqual(paths.map(() => 404));
  const written = [
    await stranger.post(`/v1/patients/${patientId}/records`, NOTE),
    await stranger.delete(`/v1/prescriptions/${prescription}`),
    await stranger.put(`/v1/patients/${patientId}/care-team/${stranger.actor.id}`),
    await stranger.patch(`/v1/patients/${patientId}`, { phone: "555-000-1111" }),
    await stranger.get(`/internal/patients/${patientId}/access?action=write`),
  ];
  expect(written.map(({ status }) => status)).toEqual(written.map(() => 404));
  const unmasking = await stranger.get(`/v1/patients/${patientId}?unmask=phone`, purposed("TREAT"));
  expect(unmasking.status).toBe(403);
  expect((await revoking(account, patientId, given.body.id)).status).toBe(204);
  expect(await statuses(stranger, paths)).toEqual(paths.map(() => 404));
  expect([await found(stranger), await people(stranger)]).toEqual([0, []]);
  expect((await revoking(account, patientId, given.body.id)).status).toBe(404);
});

test("it ends when it says so, and a tag that was kept opens nothing after it", async () => {
  const { stranger, account, patientId, prescription } = await givenChart();
  const path = `/v1/prescriptions/${prescription}`;
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  await giving(account, patientId, { grantee: stranger.actor.id, purpose: "TREAT", expiresAt });
  const first = await stranger.get(path);
  expect(first.status).toBe(200);
  const tag = { headers: { "if-none-match": first.headers.get("etag") ?? "" } };
  await service.context.pool.query("update consents set expires_at = now() where patient_id = $1", [
    patientId,
  ]);
  expect((await stranger.get(path, tag)).status).toBe(404);
  for (const when of ["2020-01-01T00:00:00Z", new Date().toISOString()])
    expect(
      await giving(account, patientId, { grantee: stranger.actor.id, purpose: "HPAYMT", expiresAt: when }),
    ).toMatchObject({ status: 400 });
});

test("a patient closes a type, or one row, to one of the care team: gone from every read, and from that one's alone", async () => {
  const chart = await givenChart();
  const { doctor, account, patientId, prescription, record } = chart;
  const colleague = service.someone("doctor");
  await doctor.put(`/v1/patients/${patientId}/care-team/${colleague.actor.id}`);
  const other = await givenPrescription(doctor, patientId, { medication: "Acetylcysteine" });
  const closing = (closes: object) => giving(account, patientId, { grantee: doctor.actor.id, closes });
  const one = await closing({ type: "prescription", id: prescription });
  expect(one).toMatchObject({
    status: 201,
    body: { purpose: null, closes: { type: "prescription", id: prescription } },
  });
  const listed = async (by: TestClient) =>
    (await by.get<{ items: Known[] }>(`/v1/prescriptions?patientId=${patientId}`)).body.items.map(
      ({ id }) => id,
    );
  const everything = async (by: TestClient) =>
    JSON.stringify((await by.get(`/v1/fhir/Patient/${patientId}/$everything`)).body);
  expect(await listed(doctor)).toEqual([other]);
  expect((await doctor.get<{ items: Known[] }>("/v1/prescriptions")).body.items.map(({ id }) => id)).toEqual([
    other,
  ]);
  expect(await found(doctor)).toBe(1);
  expect(await everything(doctor)).not.toContain(prescription);
  for (const act of [
    doctor.get(`/v1/prescriptions/${prescription}`),
    doctor.get(`/v1/fhir/MedicationRequest/${prescription}`),
    doctor.delete(`/v1/prescriptions/${prescription}`),
    doctor.put(`/v1/prescriptions/${prescription}`, { patientId, ...CHANGED }),
    doctor.get(`/internal/patients/${patientId}/access?action=write&prescriptionId=${prescription}`),
  ])
    expect((await act).status).toBe(404);
  const answer = await doctor.get<{ closed: string[] }>(`/internal/patients/${patientId}/access?action=read`);
  expect(answer.body.closed).toEqual([`prescription/${prescription}`]);
  expect((await listed(colleague)).sort()).toEqual([prescription, other].sort());
  expect(await found(colleague)).toBe(2);

  await closing({ type: "record" });
  const told = { status: 403, body: { code: "part_closed" } };
  expect(await doctor.get(`/v1/patients/${patientId}/records`)).toMatchObject(told);
  expect(await doctor.post(`/v1/patients/${patientId}/records`, NOTE)).toMatchObject(told);
  expect((await doctor.get(`/v1/records/${record}`)).status).toBe(404);
  expect((await doctor.get(`/v1/records/${record}/versions`)).status).toBe(404);
  expect((await doctor.get(`/v1/records/${record}/integrity`)).status).toBe(404);
  expect(await everything(doctor)).not.toContain(record);
  expect((await doctor.get(`/v1/patients/${patientId}`)).status).toBe(200);
  expect((await colleague.get(`/v1/records/${record}`)).status).toBe(200);

  expect((await revoking(account, patientId, one.body.id)).status).toBe(204);
  expect((await listed(doctor)).sort()).toEqual([prescription, other].sort());
});
const CHANGED = { medication: "Other", dosage: "Two", startDate: "2026-01-15", status: "active" };

test("what was closed to a role that reaches all is closed too; the rows of others are not", async () => {
  const { doctor, account, patientId, prescription } = await givenChart();
  const admin = service.someone("admin");
  await doctor.put(`/v1/patients/${patientId}/care-team/${admin.actor.id}`);
  const closed = { grantee: admin.actor.id, closes: { type: "prescription" } };
  expect((await giving(account, patientId, closed)).status).toBe(201);
  const other = await givenChart();
  const all = await admin.get<{ items: Known[] }>("/v1/prescriptions?limit=100");
  const ids = all.body.items.map(({ id }) => id);
  expect([ids.includes(prescription), ids.includes(other.prescription)]).toEqual([false, true]);
});

test("an emergency goes over what is closed, says so, and everything done by it is marked", async () => {
  const { doctor, account, patientId, record } = await givenChart();
  await giving(account, patientId, { grantee: doctor.actor.id, closes: { type: "record" } });
  expect((await doctor.get(`/v1/records/${record}`)).status).toBe(404);
  const emergency = { purpose: "ETREAT", reason: "Unconscious in the emergency room" };
  const opened = await doctor.post(`/v1/patients/${patientId}/break-glass`, emergency);
  expect(opened).toMatchObject({ status: 201, body: { closedParts: 1 } });
  await service.events();
  expect((await doctor.get(`/v1/records/${record}`, purposed("TREAT"))).status).toBe(200);
  expect((await doctor.get(`/v1/patients/${patientId}/records`)).status).toBe(200);
  expect((await doctor.post(`/v1/patients/${patientId}/records`, NOTE)).status).toBe(201);
  const events = await service.events();
  expect(events.map(({ data }) => [data.purpose, data.decision.reason])).toEqual(
    Array(3).fill(["ETREAT", "break_glass"]),
  );
  await service.context.pool.query("update break_glass set expires_at = now() where patient_id = $1", [
    patientId,
  ]);
  expect((await doctor.get(`/v1/records/${record}`)).status).toBe(404);
});

test("threat: an emergency deletes what was closed, or a file; what it reads is in the log as an emergency, by whatever way", async () => {
  const { doctor, stranger, account, patientId, prescription } = await givenChart();
  await giving(account, patientId, {
    grantee: doctor.actor.id,
    closes: { type: "prescription", id: prescription },
  });
  const emergency = { purpose: "ETREAT", reason: "Unconscious in the emergency room" };
  for (const by of [doctor, stranger]) {
    expect((await by.post(`/v1/patients/${patientId}/break-glass`, emergency)).status).toBe(201);
    expect((await by.get(`/v1/prescriptions/${prescription}`)).status).toBe(200);
    expect((await by.delete(`/v1/prescriptions/${prescription}`)).status).toBe(404);
  }
  const files = `/internal/patients/${patientId}/access?action=`;
  expect((await stranger.get(`${files}write`)).status).toBe(200);
  expect((await stranger.get(`${files}delete`)).status).toBe(404);
  const deleting = await doctor.get<{ closed: string[] }>(`${files}delete`);
  expect(deleting.body.closed).toEqual([`prescription/${prescription}`]);
  await service.events();
  for (const path of [
    `/v1/patients/${patientId}`,
    `/v1/patients/${patientId}?unmask=phone`,
    `/v1/patients/${patientId}/care-team`,
    `/v1/fhir/Patient/${patientId}`,
    `/v1/fhir/Patient/${patientId}/$everything`,
    `/v1/fhir/MedicationRequest/${prescription}`,
    `/v1/fhir/MedicationRequest?patient=${patientId}`,
    "/v1/prescriptions",
  ])
    expect((await stranger.get(path, purposed("TREAT"))).status, path).toBe(200);
  const events = await service.events();
  expect(events.length).toBeGreaterThan(8);
  for (const { type, data } of events)
    expect([type, data.purpose, data.decision.reason]).toEqual([type, "ETREAT", "break_glass"]);
});

test("threat: a kept answer shows a row that was closed since, or an account is linked to read it", async () => {
  const { doctor, account, patientId } = await givenChart();
  const draft = {
    patientId,
    diagnosisCode: "E11",
    diagnosis: "d",
    treatment: "t",
    amount: 1,
    currency: "EUR",
    providerId: doctor.actor.id,
  };
  const key = { headers: { "idempotency-key": "one-claim" } };
  const other = { headers: { "idempotency-key": "one-step" } };
  const made = await doctor.post<Known>("/v1/claims", draft, key);
  expect(made).toMatchObject({ status: 201 });
  const claim = made.body.id;
  expect((await doctor.post(`/v1/claims/${claim}/submit`, {}, other)).status).toBe(200);
  await giving(account, patientId, { grantee: doctor.actor.id, closes: { type: "claim", id: claim } });
  expect((await doctor.post("/v1/claims", draft, key)).status).toBe(404);
  expect((await doctor.post(`/v1/claims/${claim}/submit`, {}, other)).status).toBe(404);
  const admin = service.someone("admin");
  const unlinked = await givenPatient(doctor, { nationalId: "X-41" });
  await giving(admin, unlinked, { grantee: doctor.actor.id, closes: { type: "record" } });
  expect(await doctor.patch(`/v1/patients/${unlinked}`, { userId: nobody() })).toMatchObject({
    status: 403,
    body: { code: "part_closed" },
  });
});

test("a list of several charts has an event for each reason for which they are reached", async () => {
  const { stranger, account, patientId } = await givenChart();
  const own = await givenPatient(stranger, { nationalId: "X-31" });
  await giving(account, patientId, { grantee: stranger.actor.id, purpose: "TREAT" });
  await service.events();
  expect((await stranger.get<{ items: Known[] }>("/v1/patients")).body.items).toHaveLength(2);
  const events = await service.events();
  expect(events.map(({ data }) => [data.decision.reason, data.patientIds]).sort()).toEqual([
    ["assigned", [own]],
    ["consent", [patientId]],
  ]);
});

test("only the patient gives, sees and revokes, or an admin for them; never the one whom it is for", async () => {
  const { doctor, stranger, account, patientId } = await givenChart();
  const body = { grantee: stranger.actor.id, purpose: "TREAT" };
  for (const by of [doctor, stranger, service.someone("auditor")])
    expect(await giving(by, patientId, body)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  const others = await givenChart();
  expect((await giving(others.account, patientId, body)).status).toBe(404);
  expect((await giving(service.someone("guest"), patientId, body)).status).toBe(401);
  const admin = service.someone("admin");
  const given = await giving(admin, patientId, body);
  expect(given).toMatchObject({ status: 201, body: { givenBy: admin.actor.id } });
  const { id } = given.body;
  const path = `/v1/patients/${patientId}/consents`;
  for (const by of [account, admin])
    expect((await by.get<{ items: Known[] }>(path)).body.items.map((one) => one.id)).toEqual([id]);
  for (const by of [doctor, stranger]) expect((await by.get(path)).status).toBe(403);
  for (const act of [
    others.account.get(path),
    others.account.get(`${path}/${id}`),
    revoking(others.account, patientId, id),
    // By the path of another chart.
    revoking(others.account, others.patientId, id),
    account.get(`/v1/patients/${others.patientId}/consents/${id}`),
    account.get(`${path}/${nobody()}`),
  ])
    expect((await act).status).toBe(404);
  // Nothing widens one that stands.
  const wider = { purpose: "HPAYMT", expiresAt: "2099-01-01T00:00:00Z" };
  for (const act of [account.patch(`${path}/${id}`, wider), account.put(`${path}/${id}`, wider)])
    expect([404, 405]).toContain((await act).status);
  expect((await account.get<ConsentView>(`${path}/${id}`)).body).toMatchObject({
    purpose: "TREAT",
    expiresAt: null,
  });
});

test("what makes no sense is refused, and says why", async () => {
  const { doctor, stranger, account, patientId, prescription } = await givenChart();
  const other = await givenChart();
  const grantee = doctor.actor.id;
  const noStaff = nobody();
  service.auth.standing.set(noStaff, "patient");
  const gone = nobody();
  service.auth.standing.set(gone, null);
  const faulty = [
    {},
    { grantee },
    { grantee, purpose: "FUN" },
    { grantee, purpose: "ETREAT" },
    { grantee, purpose: "TREAT", closes: { type: "record" } },
    { grantee, closes: {} },
    { grantee, closes: { type: "patient" } },
    { grantee, closes: { type: "record", id: "x" } },
    { grantee, closes: { type: "prescription", id: other.prescription } },
    { grantee, closes: { type: "record", id: prescription } },
    { grantee: noStaff, purpose: "TREAT" },
    { grantee: gone, purpose: "TREAT" },
    { grantee, purpose: "TREAT", patientId: other.patientId },
  ];
  for (const body of faulty)
    expect(await giving(account, patientId, body), JSON.stringify(body)).toMatchObject({ status: 400 });
  const closing = { grantee: stranger.actor.id, closes: { type: "record" } };
  expect(await giving(account, patientId, closing)).toMatchObject({
    status: 409,
    body: { code: "not_on_care_team" },
  });
  const { rows } = await service.context.pool.query("select from consents where patient_id = $1", [
    patientId,
  ]);
  expect(rows).toEqual([]);
});

test("of many at once one stands, a repeated request is answered again, and there is an end", async () => {
  const { stranger, account, patientId } = await givenChart();
  const body = { grantee: stranger.actor.id, purpose: "TREAT" };
  const raced = await Promise.all(Array.from({ length: 6 }, () => giving(account, patientId, body)));
  expect(raced.map(({ status }) => status).sort()).toEqual([201, ...Array(5).fill(409)]);
  expect(raced.find(({ status }) => status === 409)).toMatchObject({ body: { code: "already_given" } });
  const key = { headers: { "idempotency-key": "one-consent" } };
  const billing = { ...body, purpose: "HPAYMT" };
  const first = await giving(account, patientId, billing, key);
  const again = await giving(account, patientId, billing, key);
  expect([again.status, again.body.id]).toEqual([201, first.body.id]);
  await service.context.pool.query(
    `insert into consents (id, patient_id, grantee, purpose, given_by, created_at, updated_at, rev, open, sealed)
     select gen_random_uuid(), $1, gen_random_uuid(), 'TREAT', $2, now(), now(), 1, '{}', ''
       from generate_series(1, ${MAX_CONSENTS - 2})`,
    [patientId, account.actor.id],
  );
  expect(await giving(account, patientId, { ...body, purpose: "HLEGAL" })).toMatchObject({
    status: 409,
    body: { code: "consent_limit" },
  });
});

test("who can reach the chart says by whose consent, for how long; and of a merge any id leads to it", async () => {
  const { doctor, stranger, account, patientId } = await givenChart();
  const merged = await givenPatient(doctor, { givenName: "Adelina", nationalId: "X-98" });
  await doctor.post(`/v1/patients/${patientId}/merge`, { from: merged });
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  await giving(account, merged, { grantee: stranger.actor.id, purpose: "TREAT", expiresAt });
  const access = await account.get<{ items: object[] }>(`/v1/patients/${patientId}/access`);
  expect(access.body.items).toContainEqual(
    expect.objectContaining({ userId: stranger.actor.id, reason: "consent", until: expiresAt }),
  );
  for (const id of [merged, patientId]) expect((await stranger.get(`/v1/patients/${id}`)).status).toBe(200);
  const listed = await stranger.get<{ items: Known[] }>("/v1/patients");
  expect(listed.body.items.map(({ id }) => id)).toEqual([patientId]);
});

test("someone of the care team who breaks the glass as well is no two people in any list", async () => {
  const { doctor, account, patientId, prescription } = await givenChart();
  const emergency = { purpose: "ETREAT", reason: "Unconscious in the emergency room" };
  await doctor.post(`/v1/patients/${patientId}/break-glass`, emergency);
  await giving(account, patientId, { grantee: doctor.actor.id, purpose: "TREAT" });
  const ids = async (path: string) =>
    (await doctor.get<{ items: Known[] }>(path)).body.items.map(({ id }) => id);
  expect(await ids("/v1/patients")).toEqual([patientId]);
  expect(await ids("/v1/prescriptions")).toEqual([prescription]);
});
