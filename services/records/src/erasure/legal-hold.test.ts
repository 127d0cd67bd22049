import type { ErasureView, LegalHoldView } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let admin: TestClient;
beforeAll(async () => {
  service = await startRecords();
  admin = service.someone("admin");
});
afterAll(() => service?.close());

const WHY = { reason: "Proceedings before the district court" };
const erase = (id: string) =>
  admin.post<ErasureView>(`/v1/patients/${id}/erase`, { reason: "Asked for in writing" });
const place = (id: string, by = admin, body: object = WHY) =>
  by.put<LegalHoldView>(`/v1/patients/${id}/legal-hold`, body);

test("a hold stops an erasure until it is lifted, and says why to those who may see it", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  expect(await place(id)).toMatchObject({ status: 200, body: { ...WHY, placedBy: admin.actor.id } });
  expect(await erase(id)).toMatchObject({ status: 409, body: { code: "legal_hold" } });
  const path = `/v1/patients/${id}/legal-hold`;
  for (const by of [admin, service.someone("auditor")])
    expect((await by.get<LegalHoldView>(path)).body.reason).toBe(WHY.reason);
  expect((await doctor.get(path)).status).toBe(403);
  expect((await doctor.get(`/v1/patients/${id}`)).status).toBe(200);
  const other = { reason: "Another court by now" };
  expect(await place(id, admin, other)).toMatchObject({ status: 200, body: other });
  expect((await admin.delete(path)).status).toBe(204);
  expect((await admin.delete(path)).status).toBe(404);
  expect((await admin.get(path)).status).toBe(404);
  expect((await erase(id)).status).toBe(202);
  expect((await place(id)).status).toBe(404);
});

test("threat: a chart on hold is parted or merged, so that a part of it is erased", async () => {
  const doctor = service.someone("doctor");
  const [into, from, late] = [
    await givenPatient(doctor),
    await givenPatient(doctor),
    await givenPatient(doctor),
  ];
  await doctor.post(`/v1/patients/${into}/merge`, { from });
  await place(into);
  await doctor.post(`/v1/patients/${from}/unmerge`);
  for (const id of [into, from]) expect((await erase(id)).status).toBe(409);
  await doctor.post(`/v1/patients/${late}/merge`, { from });
  expect((await erase(late)).status).toBe(409);
});

test("threat: a hold that is placed while an erasure is under way comes too late, or stops it", async () => {
  for (let round = 0; round < 3; round++) {
    const id = await givenPatient(service.someone("doctor"));
    const [held, erased] = await Promise.all([place(id), erase(id)]);
    expect([`${held.status} ${erased.status}`]).toEqual([expect.stringMatching(/^(200 409|404 202)$/)]);
  }
});

test("only who may, freshly signed in and with a reason; its events and tables hold none of it", async () => {
  const id = await givenPatient(service.someone("doctor"));
  for (const role of ["doctor", "auditor", "patient"] as const)
    expect((await place(id, service.someone(role))).status).toBe(403);
  const late = service.someone("admin", { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect(await place(id, late)).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  expect((await late.delete(`/v1/patients/${id}/legal-hold`)).status).toBe(403);
  for (const body of [{}, { reason: "short" }, { ...WHY, id }])
    expect((await place(id, admin, body)).status).toBe(400);
  expect((await place(nobody())).status).toBe(404);
  await service.events();
  await place(id);
  await admin.delete(`/v1/patients/${id}/legal-hold`);
  await place(id);
  const events = await service.events();
  expect(events.map(({ type }) => type.split(".").slice(2, 4).join("."))).toEqual([
    ...["legalhold.placed", "legalhold.lifted", "legalhold.placed"],
  ]);
  expect(JSON.stringify(events) + (await service.dump())).not.toContain("district");
});
