import { newId } from "@medvault/contracts";
import { type TestClient, testAssertions } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ASPIRIN, givenPatient, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let anna: TestClient;
let patient: TestClient;
let patientId: string;
beforeAll(async () => {
  service = await startRecords();
  anna = service.someone("doctor");
  patient = service.someone("patient");
  service.auth.standing.set(patient.actor.id, "patient");
  patientId = await givenPatient(anna, { userId: patient.actor.id });
  await givenPatient(service.someone("doctor"));
});
afterAll(() => service?.close());

interface Known {
  patientIds: string[];
  ids: string[];
}
const known = (who: TestClient) => who.get<Known>("/internal/known-people");

test("a patient's chart names its care team, prescribers and authors: of nobody else's chart", async () => {
  const [bruno, former, provider] = [service.someone("doctor"), service.someone("doctor"), newId()];
  for (const { actor } of [bruno, former]) await anna.put(`/v1/patients/${patientId}/care-team/${actor.id}`);
  await former.post("/v1/prescriptions", { patientId, ...ASPIRIN });
  await anna.delete(`/v1/patients/${patientId}/care-team/${former.actor.id}`);
  const costs = { diagnosisCode: "E11", diagnosis: "d", treatment: "t", amount: 1, currency: "EUR" };
  await anna.post("/v1/claims", { patientId, ...costs, providerId: provider });
  const { body } = await known(patient);
  expect(body.patientIds).toEqual([patientId]);
  expect(body.ids.toSorted()).toEqual([anna.actor.id, bruno.actor.id, former.actor.id, provider].sort());
});

test("a merged chart names those of both, under all of its ids", async () => {
  const [own, both] = [service.someone("patient"), service.someone("admin")];
  service.auth.standing.set(own.actor.id, "patient");
  const [one, two] = [service.someone("doctor"), service.someone("doctor")];
  const [survivor, merged] = [await givenPatient(one, { userId: own.actor.id }), await givenPatient(two)];
  expect((await both.post(`/v1/patients/${survivor}/merge`, { from: merged })).status).toBe(200);
  const { body } = await known(own);
  expect(body.patientIds.toSorted()).toEqual([survivor, merged].sort());
  expect(body.ids.toSorted()).toEqual([one.actor.id, two.actor.id].sort());
});

test("who has no chart knows nobody, and staff has none of their own here", async () => {
  expect((await known(service.someone("patient"))).body).toEqual({ patientIds: [], ids: [] });
  for (const role of ["doctor", "admin", "auditor"] as const)
    expect((await known(service.someone(role))).status).toBe(403);
  expect((await known(service.someone("guest"))).status).toBe(401);
});

test("threat: what auth holds to ask for known people opens nothing else of records", async () => {
  const assertion = await (await testAssertions()).sign(patient.actor, ["auth", "records/people"]);
  const headers = { "x-medvault-assertion": assertion };
  expect((await patient.get("/internal/known-people", { headers })).status).toBe(200);
  for (const path of ["/v1/patients/me", `/v1/patients/${patientId}/care-team`])
    expect((await patient.get(path, { headers })).status, path).toBe(401);
});
