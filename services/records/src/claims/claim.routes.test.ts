import type { ClaimView } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, nobody, type Records, startRecords, visiblePart } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

const CLAIM = {
  providerId: nobody(),
  diagnosisCode: "E11.9",
  diagnosis: "Type 2 diabetes <uncomplicated>",
  treatment: "Metformin",
  amount: 12_550,
  currency: "EUR",
};

async function givenClaim() {
  const doctor = service.someone("doctor");
  const account = service.someone("patient");
  const patientId = await givenPatient(doctor, { userId: account.actor.id });
  const made = await doctor.post<ClaimView>("/v1/claims", { patientId, ...CLAIM });
  expect(made).toMatchObject({
    status: 201,
    body: { ...CLAIM, patientId, status: "draft", createdBy: doctor.actor.id },
  });
  return { doctor, account, admin: service.someone("admin"), patientId, path: `/v1/claims/${made.body.id}` };
}

test("a claim goes from draft to paid, each step by who may take it", async () => {
  const { doctor, admin, path, patientId } = await givenClaim();
  await service.events();
  expect(await doctor.patch(path, { amount: 13_000 })).toMatchObject({
    status: 200,
    body: { amount: 13_000 },
  });
  expect(await admin.post(`${path}/approve`)).toMatchObject({
    status: 409,
    body: { code: "invalid_transition" },
  });
  expect(await doctor.post(`${path}/submit`)).toMatchObject({ status: 200, body: { status: "submitted" } });
  expect(await doctor.post(`${path}/approve`)).toMatchObject({ status: 403 });
  expect(await doctor.patch(path, { amount: 1 })).toMatchObject({
    status: 409,
    body: { code: "invalid_transition" },
  });
  expect(await admin.post(`${path}/approve`, {})).toMatchObject({
    status: 200,
    body: { status: "approved" },
  });
  expect(await admin.post(`${path}/reject`)).toMatchObject({ status: 409 });
  const paid = await admin.post(`${path}/pay`, { reason: "Batch 7" });
  expect(paid).toMatchObject({ status: 200, body: { status: "paid", reason: "Batch 7", amount: 13_000 } });
  expect(paid.headers.get("etag")).toBe('"5"');
  const events = await service.events();
  expect(events.filter((e) => e.data.outcome === "success").map((e) => e.type)).toEqual([
    "medvault.records.claim.updated.v1",
    "medvault.records.claim.submitted.v1",
    "medvault.records.claim.approved.v1",
    "medvault.records.claim.paid.v1",
  ]);
  expect(events.at(-1)).toMatchObject({
    data: { patientIds: [patientId], details: { rev: 5, status: "paid" } },
  });
  expect(JSON.stringify(events)).not.toMatch(/Batch 7|diabetes|13000/);
});

test("of twenty who submit at once, one does", async () => {
  const { doctor, path } = await givenClaim();
  const answers = await Promise.all(Array.from({ length: 20 }, () => doctor.post(`${path}/submit`)));
  expect(answers.map((answer) => answer.status).sort()).toEqual([200, ...Array<number>(19).fill(409)]);
});

test("a step with its key can be asked for again", async () => {
  const { doctor, path } = await givenClaim();
  const headers = { "idempotency-key": "submit" };
  const first = await doctor.post(`${path}/submit`, undefined, { headers });
  expect(await doctor.post(`${path}/submit`, undefined, { headers })).toMatchObject({
    status: 200,
    body: first.body,
  });
});

test("a patient reads their claims and changes none; strangers learn nothing", async () => {
  const { account, path, patientId } = await givenClaim();
  expect(await account.get("/v1/claims")).toMatchObject({ body: { items: [{ patientId }] } });
  expect((await account.get(path)).status).toBe(200);
  expect((await account.patch(path, { amount: 1 })).status).toBe(403);
  for (const stranger of [service.someone("doctor"), service.someone("patient")]) {
    const probes = (x: string) => [
      stranger.get(x),
      stranger.patch(x, { amount: 1 }),
      stranger.post(`${x}/submit`),
    ];
    const [known, unknown] = [
      await Promise.all(probes(path)),
      await Promise.all(probes(`/v1/claims/${nobody()}`)),
    ];
    expect(known.map(visiblePart)).toEqual(unknown.map(visiblePart));
    expect(await stranger.get("/v1/claims")).toMatchObject({ body: { items: [], nextCursor: null } });
  }
});

test("claims are listed changed last first and filtered by status", async () => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const make = async () => (await doctor.post<ClaimView>("/v1/claims", { patientId, ...CLAIM })).body.id;
  const [one, two, three] = [await make(), await make(), await make()];
  await doctor.post(`/v1/claims/${one}/submit`);
  const list = async (query: string) =>
    (await doctor.get<{ items: ClaimView[] }>(`/v1/claims?${query}`)).body.items.map((item) => item.id);
  expect(await list("")).toEqual([one, three, two]);
  expect(await list("status=draft")).toEqual([three, two]);
  expect(await list(`patientId=${patientId}&status=submitted`)).toEqual([one]);
});

test("threat: a claim in a currency that does not exist is refused, new or changed", async () => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const { body } = await doctor.post<ClaimView>("/v1/claims", { patientId, ...CLAIM });
  for (const currency of ["ZZZ", "BTC", "XXX"]) {
    const refused = { status: 400, body: { errors: [{ path: "currency", code: "invalid_value" }] } };
    expect(await doctor.post("/v1/claims", { patientId, ...CLAIM, currency })).toMatchObject(refused);
    expect(await doctor.patch(`/v1/claims/${body.id}`, { currency })).toMatchObject(refused);
  }
  expect((await doctor.patch(`/v1/claims/${body.id}`, { currency: "JPY" })).status).toBe(200);
});

test.each([
  ["a fraction of a cent", { amount: 1.5 }, "amount"],
  ["a negative amount", { amount: -1 }, "amount"],
  ["an amount that numbers do not hold", { amount: 2 ** 60 }, "amount"],
  ["a currency that is none", { currency: "euro" }, "currency"],
  ["a status of its own choice", { status: "paid" }, "status"],
])("a claim with %s is refused with its path", async (_what, fields, path) => {
  const answer = await service
    .someone("doctor")
    .post("/v1/claims", { patientId: nobody(), ...CLAIM, ...fields });
  expect(answer).toMatchObject({ status: 400, body: { code: "invalid_input", errors: [{ path }] } });
});
