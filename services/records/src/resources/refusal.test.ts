import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
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
afterAll(() => service?.close());

const NOTE = { type: "note", title: "t", body: "b", occurredAt: "2026-01-01T00:00:00Z" };
const CLAIM = { diagnosisCode: "E11", diagnosis: "d", treatment: "t", amount: 1, currency: "EUR" };

/** A patient with one of each kind, and everything that a stranger may try on these. */
async function given() {
  const doctor = service.someone("doctor");
  const patientId = await givenPatient(doctor);
  const prescription = await givenPrescription(doctor, patientId);
  const record = (await doctor.post<Known>(`/v1/patients/${patientId}/records`, NOTE)).body.id;
  const draft = { ...CLAIM, patientId, providerId: doctor.actor.id };
  const claim = (await doctor.post<Known>("/v1/claims", draft)).body.id;
  const probes = (who: TestClient, at: (id: string) => string) => {
    const [p, r, c] = [
      `/v1/prescriptions/${at(prescription)}`,
      `/v1/records/${at(record)}`,
      `/v1/claims/${at(claim)}`,
    ];
    return [
      () => who.get(p),
      () => who.get(`${p}/versions`),
      () => who.put(p, ASPIRIN),
      () => who.delete(p),
      () => who.get(r),
      () => who.get(`${r}/versions`),
      () => who.get(`${r}/integrity`),
      () => who.put(r, NOTE),
      () => who.delete(r),
      () => who.get(c),
      () => who.get(`${c}/versions`),
      () => who.patch(c, { amount: 2 }),
      () => who.post(`${c}/submit`),
    ];
  };
  return { doctor, patientId, record, claim, probes };
}

test("threat: who tries another doctor's patient by the id of a row is in no event about that patient", async () => {
  const { patientId, probes } = await given();
  const stranger = service.someone("doctor");
  await service.events();
  for (const [at, probe] of probes(stranger, (id) => id).entries()) {
    expect(await probe(), String(at)).toMatchObject({ status: 404 });
    expect(await service.events(), String(at)).toMatchObject([
      {
        type: "medvault.records.request.denied.v1",
        data: { actor: { id: stranger.actor.id }, patientIds: [patientId], outcome: "denied" },
      },
    ]);
  }
});

test("whoever tries learns nothing more: the answers are those of a row that is not there, which names no patient", async () => {
  const { probes } = await given();
  const stranger = service.someone("doctor");
  const known = probes(stranger, (id) => id);
  const unknown = probes(stranger, () => nobody());
  for (const [at, probe] of known.entries()) {
    const there = visiblePart(await probe());
    await service.events();
    expect(visiblePart((await unknown[at]?.()) as never), String(at)).toEqual(there);
    expect(await service.events(), String(at)).toMatchObject([{ data: { patientIds: [] } }]);
  }
});

test("a change that fails on one's own patient names them too, as does one of what was hidden", async () => {
  const { doctor, patientId, record, claim } = await given();
  await doctor.post(`/v1/claims/${claim}/submit`);
  await doctor.delete(`/v1/records/${record}`);
  await service.events();
  const stale = { headers: { "if-match": '"9"' } };
  const answers = [
    await doctor.patch(`/v1/claims/${claim}`, { amount: 2 }),
    await doctor.patch(`/v1/claims/${claim}`, { amount: 2 }, stale),
    await doctor.patch(`/v1/patients/${patientId}`, { phone: "1" }, stale),
    await doctor.get(`/v1/records/${record}`),
  ];
  expect(answers.map(({ status }) => status)).toEqual([409, 412, 412, 404]);
  const events = await service.events();
  expect(events.map(({ data }) => data.patientIds)).toEqual(answers.map(() => [patientId]));
});
