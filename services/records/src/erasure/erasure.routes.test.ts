import type { ErasureView } from "@medvault/contracts";
import { isErasureLedger, type SignedErasure } from "@medvault/crypto";
import { createSubjectKey, findSubjectKeys } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ADA,
  givenPatient,
  givenPrescription,
  nobody,
  type Records,
  startRecords,
} from "../../test/harness.ts";
import { givenWholeChart } from "./erasure.testdata.ts";

let service: Records;
let admin: TestClient;
beforeAll(async () => {
  service = await startRecords();
  admin = service.someone("admin");
});
afterAll(() => service?.close());

const WHY = { reason: "Asked for by the patient in writing" };
const erase = (patientId: string, by = admin, options?: object) =>
  by.post<ErasureView>(`/v1/patients/${patientId}/erase`, WHY, options);

const ledger = async (): Promise<SignedErasure[]> => {
  const { rows } = await service.pool.query(
    `select number, patient_ids as "patientIds", erased_at as at, previous, public_key as "publicKey",
            encode(signature, 'base64') as signature from erasure_ledger order by number`,
  );
  return rows.map(({ at, ...row }) => ({
    ...row,
    signature: row.signature.replace("\n", ""),
    erasedAt: at.toISOString(),
  }));
};

test("an erased chart is gone from every table, search, answer and key, and another's is untouched", async () => {
  const doctor = service.someone("doctor");
  const [mine, other] = [await givenWholeChart(service, doctor), await givenWholeChart(service, doctor)];
  await service.events();
  const before = await service.dump();
  for (const id of mine.ids) expect(before).toContain(id);
  const answer = await erase(mine.patientId);
  expect(answer).toMatchObject({
    status: 202,
    body: {
      patientId: mine.patientId,
      state: "running",
      services: { records: "done", files: "pending", auth: "pending" },
    },
  });
  // What stays names the patient and, for auth, their account, and nothing that was theirs.
  await service.events();
  await service.superuser("delete from records_sys.search_changes");
  // As the log itself: ids of rows and hashes of boxes that nobody can open any more.
  await service.superuser("delete from records_sys.row_manifests");
  const dump = await service.dump();
  const left = mine.ids.filter((id) => dump.includes(id));
  expect(left).toEqual([mine.patientId, mine.account]);
  for (const id of other.ids) expect(dump).toContain(id);
  for (const path of mine.paths) expect([path, (await doctor.get(path)).status]).toEqual([path, 404]);
  for (const path of mine.paths) expect([path, (await admin.get(path)).status]).toEqual([path, 404]);
  for (const path of other.paths) expect([path, (await doctor.get(path)).status]).toEqual([path, 200]);
  const search = { q: ADA.familyName, limit: 100 };
  const found = await admin.post<{ items: { id: string }[] }>("/v1/patients/search", search);
  expect(found.body.items.map(({ id }) => id)).toContain(other.patientId);
  expect(found.body.items.map(({ id }) => id)).not.toContain(mine.patientId);
  expect((await findSubjectKeys(service.pool, [mine.patientId, other.patientId])).size).toBe(1);
});

test("a kept answer is not given again, and the request comes to nobody", async () => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const kept = { headers: { "idempotency-key": "of-the-erased" } };
  const others = { headers: { "idempotency-key": "of-another" } };
  const drug = { patientId, medication: "Aspirin", dosage: "One", startDate: "2026-01-01", status: "active" };
  const note = { type: "note", title: "Seen", body: "Breathing", occurredAt: "2026-01-01T00:00:00Z" };
  const first = await doctor.post("/v1/prescriptions", drug, kept);
  const path = `/v1/patients/${await givenPatient(doctor)}/records`;
  const another = await doctor.post(path, note, others);
  expect([first.status, another.status]).toEqual([201, 201]);
  await erase(patientId);
  expect((await doctor.post("/v1/prescriptions", drug, kept)).status).toBe(404);
  expect(await doctor.post(path, note, others)).toMatchObject({ status: 201, body: another.body });
});

test("a merged chart is erased with all its ids, by any of them", async () => {
  const doctor = service.someone("doctor");
  const [into, from] = [await givenPatient(doctor), await givenPatient(doctor)];
  const drug = await givenPrescription(doctor, from);
  expect((await doctor.post(`/v1/patients/${into}/merge`, { from })).status).toBe(200);
  const { number } = (await erase(from)).body;
  for (const id of [into, from])
    expect((await admin.get<ErasureView>(`/v1/patients/${id}/erasure`)).body.number).toBe(number);
  expect((await doctor.get(`/v1/prescriptions/${drug}`)).status).toBe(404);
  expect((await findSubjectKeys(service.pool, [into, from])).size).toBe(0);
  expect((await ledger()).at(-1)?.patientIds).toEqual([into, from].sort());
});

test("erasures at once are numbered without gaps, signed and chained; of one chart it is one", async () => {
  const doctor = service.someone("doctor");
  const ids = await Promise.all([1, 2, 3].map(() => givenPatient(doctor)));
  const answers = await Promise.all([...ids, ...ids].map((id) => erase(id)));
  expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(202));
  const numbers = answers.map(({ body }) => body.number);
  expect(numbers.slice(0, 3)).toEqual(numbers.slice(3));
  expect(new Set(numbers).size).toBe(3);
  const entries = await ledger();
  expect(isErasureLedger(entries)).toBe(true);
  const [first, second, ...rest] = entries as [SignedErasure, SignedErasure, ...SignedErasure[]];
  expect(isErasureLedger([first, ...rest])).toBe(false);
  expect(isErasureLedger([first, { ...second, patientIds: [nobody()] }])).toBe(false);
  expect(isErasureLedger([{ ...first, previous: "0".repeat(64) }])).toBe(false);
  expect(isErasureLedger([{ ...first, signature: second.signature }])).toBe(false);
  expect(isErasureLedger(entries, [{ kty: "OKP", crv: "Ed25519", x: "A".repeat(43) }])).toBe(false);
});

test("a repeated request is answered as the first, and erases nothing more", async () => {
  const patientId = await givenPatient(service.someone("doctor"));
  const key = { headers: { "idempotency-key": "one-erasure" } };
  const first = await erase(patientId, admin, key);
  const again = await erase(patientId, admin, key);
  const without = await erase(patientId);
  expect([again, without]).toMatchObject(Array(2).fill({ status: 202, body: { number: first.body.number } }));
});

test("only who may, freshly signed in and with a reason, erases; nobody learns who is there by it", async () => {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor, { userId: service.someone("patient").actor.id });
  for (const by of [doctor, service.someone("auditor"), service.someone("patient")])
    expect(await erase(patientId, by)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  expect((await erase(patientId, service.someone("guest"))).status).toBe(401);
  const late = service.someone("admin", { authTime: Math.floor(Date.now() / 1000) - 601 });
  expect(await erase(patientId, late)).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  for (const body of [{}, { reason: "short" }, { ...WHY, patientId }, { reason: "x".repeat(501) }])
    expect((await admin.post(`/v1/patients/${patientId}/erase`, body)).status).toBe(400);
  expect((await erase(nobody())).status).toBe(404);
  expect((await admin.get(`/v1/patients/${patientId}/erasure`)).status).toBe(404);
  expect((await doctor.get(`/v1/patients/${patientId}`)).status).toBe(200);
});

test("its events name the entry of the ledger; neither they nor the reason hold anything of the patient", async () => {
  const account = service.someone("patient").actor.id;
  const patientId = await givenPatient(service.someone("doctor"), { userId: account });
  await service.events();
  const { number } = (await erase(patientId)).body;
  const events = await service.events();
  expect(events.map(({ type }) => type)).toEqual([
    "medvault.records.patient.erased.v1",
    "medvault.records.erasure.announced.v1",
  ]);
  expect(events[0]?.data).toMatchObject({
    actor: { id: admin.actor.id },
    patientIds: [patientId],
    details: { number, entrySha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
  });
  expect(events[1]?.data).toMatchObject({ patientIds: [patientId], details: { number, accountId: account } });
  expect(JSON.stringify(events) + (await service.dump())).not.toContain("in writing");
});

test("threat: a write that began before makes a key for the erased, and what it stores opens", async () => {
  const patientId = nobody();
  await service.superuser(`insert into records_sys.erased_subjects values ('${patientId}')`);
  const made = inTransaction(service.pool, (tx) => createSubjectKey(tx, service.keyring, patientId));
  await expect(made).rejects.toMatchObject({ kind: "not_found" });
  expect((await findSubjectKeys(service.pool, [patientId])).size).toBe(0);
});
