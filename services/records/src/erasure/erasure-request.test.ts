import type { ErasureView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let one: TestClient;
let two: TestClient;
let id: string;
beforeAll(async () => {
  service = await startRecords({ env: { MEDVAULT_ERASURE_APPROVAL: "on" } });
  [one, two] = [service.someone("admin"), service.someone("admin")];
});
afterAll(() => service?.close());
beforeEach(async () => {
  id = await givenPatient(service.someone("doctor"));
});

const WHY = { reason: "Asked for by the patient in writing" };
const ask = (by = one) => by.post<ErasureView>(`/v1/patients/${id}/erase`, WHY);
const approve = (by = two) => by.post<ErasureView>(`/v1/patients/${id}/erasure/approve`);
const end = (by: TestClient) => by.delete<ErasureView>(`/v1/patients/${id}/erasure`);
const shown = async () => (await two.get<ErasureView>(`/v1/patients/${id}/erasure`)).body;
const isThere = async () => (await one.get(`/v1/patients/${id}`)).status === 200;

test("nothing is erased before a second person has approved it; then it is, in both their names", async () => {
  expect(await ask()).toMatchObject({
    status: 202,
    body: { state: "requested", number: null, requestedBy: one.actor.id, ...WHY },
  });
  expect(await isThere()).toBe(true);
  expect(await shown()).toMatchObject({ state: "requested", ...WHY });
  await service.events();
  expect(await approve()).toMatchObject({
    status: 202,
    body: { state: "running", number: expect.any(Number) },
  });
  expect(await isThere()).toBe(false);
  const [erased] = await service.events();
  expect(erased).toMatchObject({
    type: "medvault.records.patient.erased.v1",
    data: { actor: { id: two.actor.id }, details: { requestedBy: one.actor.id } },
  });
  expect(await shown()).toMatchObject({ state: "running", reason: null });
});

test("threat: one person alone erases, by approving what they asked for themselves", async () => {
  await ask();
  expect(await approve(one)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  expect(await isThere()).toBe(true);
  const late = service.someone("admin", { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect(await approve(late)).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  for (const role of ["doctor", "auditor", "patient"] as const)
    expect((await approve(service.someone(role))).status).toBe(403);
  expect(await isThere()).toBe(true);
});

test("threat: a session that was left open refuses another's request", async () => {
  await ask();
  const late = service.someone("admin", { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect(await end(late)).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  expect(await shown()).toMatchObject({ state: "requested" });
});

test("what was withdrawn, refused or has expired is approved by nobody, and may be asked for again", async () => {
  const waits = { status: 409, body: { code: "invalid_transition" } };
  expect(await approve()).toMatchObject(waits);
  expect(await end(one)).toMatchObject(waits);
  await ask();
  expect(await ask(two)).toMatchObject({ status: 409, body: { code: "erasure_requested" } });
  expect(await end(one)).toMatchObject({ status: 200, body: { state: "withdrawn" } });
  expect(await approve()).toMatchObject(waits);
  await ask();
  expect(await end(two)).toMatchObject({ status: 200, body: { state: "refused", decidedBy: two.actor.id } });
  expect(await approve()).toMatchObject(waits);
  expect((await ask(two)).status).toBe(202);
  expect((await approve(one)).status).toBe(202);
});

test("threat: a merge or unmerge has more or less erased than was asked for, or hides the request", async () => {
  const doctor = service.someone("doctor");
  const [asked, merged, other] = [id, await givenPatient(doctor), await givenPatient(doctor)];
  const admin = service.someone("admin");
  const change = (of: string, verb: string, from: string) =>
    admin.post(`/v1/patients/${of}/${verb}`, { from });
  const waits = { status: 409, body: { code: "erasure_requested" } };
  expect((await change(asked, "merge", merged)).status).toBe(200);
  await ask();
  for (const one of [asked, merged]) {
    expect(await change(one, "merge", other)).toMatchObject(waits);
    expect(await change(other, "merge", one)).toMatchObject(waits);
  }
  expect(await change(asked, "unmerge", merged)).toMatchObject(waits);
  expect(await change(merged, "unmerge", merged)).toMatchObject(waits);
  expect(await shown()).toMatchObject({ state: "requested" });
  // Who does not reach the chart does not learn that it is to be erased.
  const stranger = service.someone("doctor");
  expect((await stranger.post(`/v1/patients/${asked}/merge`, { from: other })).status).toBe(404);
  await end(two);
  expect((await change(asked, "unmerge", merged)).status).toBe(200);
  await ask();
  expect((await approve()).status).toBe(202);
  expect(await isThere()).toBe(false);
  for (const one of [merged, other]) expect((await admin.get(`/v1/patients/${one}`)).status).toBe(200);
});

test("a request waits for so long and no longer", async () => {
  const short = await startRecords({
    ...{ database: service.database, keyring: service.keyring },
    env: { MEDVAULT_ERASURE_APPROVAL: "on", MEDVAULT_ERASURE_APPROVAL_HOURS: "1" },
  });
  const { body } = await short.as(one.actor).post<ErasureView>(`/v1/patients/${id}/erase`, WHY);
  const waits = Date.parse(body.expiresAt ?? "") - Date.now();
  expect(waits).toBeGreaterThan(59 * 60_000);
  expect(waits).toBeLessThan(61 * 60_000);
  await short.close();
  // What is set by hand does not open: it is asked for again as if there were none.
  await service.pool.query("update erasure_requests set expires_at = now() where patient_id = $1", [id]);
  expect((await approve()).status).toBe(409);
  expect(await isThere()).toBe(true);
});

test("of two approvals at once one erases; a hold stops both; nobody approves for who is not there", async () => {
  await ask();
  const third = service.someone("admin");
  await one.put(`/v1/patients/${id}/legal-hold`, { reason: "Proceedings in court" });
  expect(await approve()).toMatchObject({ status: 409, body: { code: "legal_hold" } });
  await one.delete(`/v1/patients/${id}/legal-hold`);
  const both = await Promise.all([approve(), approve(third)]);
  expect(both.map(({ status }) => status)).toEqual([202, 202]);
  expect(new Set(both.map(({ body }) => body.number)).size).toBe(1);
  id = nobody();
  expect((await approve()).status).toBe(404);
  expect((await end(one)).status).toBe(404);
});
