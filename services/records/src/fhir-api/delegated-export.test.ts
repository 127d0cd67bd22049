import { DELEGABLE, type DelegatedActor, newId } from "@medvault/contracts";
import { startPeople, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, type Records, startRecords } from "../../test/harness.ts";

let people: Awaited<ReturnType<typeof startPeople>>;
let records: Records;
let doctor: TestClient;
let patientId: string;
const token = `delegation.${"5".repeat(64)}`;
beforeAll(async () => {
  people = await startPeople();
  records = await startRecords({ env: { MEDVAULT_AUTH_URL: people.url } });
  doctor = records.someone("doctor");
  patientId = (await doctor.post<{ id: string }>("/v1/patients", ADA)).body.id;
});
afterAll(async () => {
  await records?.close();
  people?.close();
});

function delegate(changes: Partial<DelegatedActor> = {}): void {
  const { id, sessionId, permissions } = doctor.actor;
  const delegated = [...permissions].filter((one) => DELEGABLE.some((may) => one.startsWith(`${may}:`)));
  const whose = { id, role: "doctor" as const, sessionId: sessionId ?? "", permissions: delegated };
  people.delegates.set(token, { ...whose, patientIds: [patientId], ...changes });
}
const headers = { "x-medvault-assertion": token, "x-purpose": "TREAT" };
const asked = (path: string) => records.someone("guest").get(path, { headers });
const chart = () => `/v1/fhir/Patient/${patientId}/$everything`;

test("a job reads a chart as whoever it was delegated by, by the ordinary reads and masks", async () => {
  delegate();
  const masked = await asked(chart());
  expect(masked.status).toBe(200);
  expect(masked.bytes.includes(ADA.phone)).toBe(false);
  expect((await asked(`${chart()}?unmask=phone`)).bytes.includes(ADA.phone)).toBe(true);
  expect((await asked(`/internal/patients/${patientId}/access?action=read`)).status).toBe(200);
  const exported = (await records.events()).findLast(
    ({ type }) => type === "medvault.records.fhir.exported.v1",
  );
  expect(exported?.data).toMatchObject({
    actor: { id: doctor.actor.id },
    patientIds: [patientId],
    purpose: "TREAT",
  });
});

test("a job gets the chart to read as a PDF, with no more than a delegation gives", async () => {
  delegate();
  const note = { type: "note", title: "皮疹 · экзема", body: "A rash on both arms" };
  expect((await doctor.post(`/v1/patients/${patientId}/records`, note)).status).toBe(201);
  for (const query of ["", "?unmask=phone"]) {
    const { status, bytes, headers } = await asked(`/internal/patients/${patientId}/summary${query}`);
    expect([status, headers.get("content-type")]).toEqual([200, "application/pdf"]);
    expect([bytes.subarray(0, 5).toString(), bytes.subarray(-6).toString().trim()]).toEqual([
      "%PDF-",
      "%%EOF",
    ]);
  }
  delegate({ id: newId() });
  expect((await asked(`/internal/patients/${patientId}/summary`)).status).toBe(404);
});

test("threat: a delegation opens no other route of records", async () => {
  delegate();
  for (const path of [
    `/v1/patients/${patientId}`,
    "/v1/patients",
    `/v1/prescriptions?patientId=${patientId}`,
  ])
    expect((await asked(path)).status, path).toBe(401);
});

test("threat: what its person may not do now, the job may not", async () => {
  delegate({ permissions: ["file:read:assigned"] });
  expect((await asked(chart())).status).toBe(403);
  delegate({ id: newId() });
  expect((await asked(chart())).status).toBe(404);
  expect((await asked(`/internal/patients/${patientId}/access?action=read`)).status).toBe(404);
  people.delegates.delete(token);
  expect((await asked(chart())).status).toBe(401);
});
