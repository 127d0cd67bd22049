import { codesOf, recordsRoutes } from "@medvault/contracts";
import { createTestDatabase, type TestClient } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Known,
  type Records,
  startRecords,
} from "../../test/harness.ts";

// What a restore does to writes (services/backup), as those see it who write.
const database = await createTestDatabase(["records", "backup"]);
let service: Records;
const restoring = new pg.Client(database.superuserUrl);
beforeAll(async () => {
  service = await startRecords({ database, env: { MEDVAULT_ERASURE_APPROVAL: "on" } });
  await restoring.connect();
});
afterAll(async () => {
  await restoring.end();
  await service.close();
  await database.drop();
});

/** As the restore job does it. */
async function fence(): Promise<void> {
  await restoring.query(
    `do $$ declare t regclass; begin
       for t in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where c.relkind = 'r' and c.relname <> 'schema_migrations'
                   and (n.nspname = 'records' or (n.nspname = 'records_sys' and c.relname = 'idempotency_keys'))
       loop
         execute format('create trigger restore_7 before insert or update or delete on %s
                         for each statement execute function backup.refuse_write(7)', t);
       end loop;
     end $$`,
  );
  await restoring.query("select pg_advisory_lock(7102312, 7)");
}

test("threat: a write reaches records while a restore replaces them; by every way it is 503, and reads go on", async () => {
  const doctor = service.someone("doctor");
  const admin = service.someone("admin");
  const patientId = await givenPatient(doctor);
  const drug = await givenPrescription(doctor, patientId);
  const note = { type: "note", title: "A note", body: "Text", occurredAt: "2026-03-01T09:30:00Z" };
  const record = (await doctor.post<Known>(`/v1/patients/${patientId}/records`, note)).body.id;
  const claim = {
    ...{ patientId, providerId: doctor.actor.id, diagnosisCode: "I10", diagnosis: "Hypertension" },
    ...{ treatment: "Tablets", amount: 12_000, currency: "EUR" },
  };
  const made = async () => (await doctor.post<Known>("/v1/claims", claim)).body.id;
  const [draft, sent, approved] = [await made(), await made(), await made()];
  for (const id of [sent, approved]) expect((await doctor.post(`/v1/claims/${id}/submit`)).status).toBe(200);
  expect((await admin.post(`/v1/claims/${approved}/approve`)).status).toBe(200);
  const visit = { patientId, doctorId: doctor.actor.id };
  const half = (n: number) => ({ startsAt: `2027-01-04T1${n}:00:00Z`, endsAt: `2027-01-04T1${n}:30:00Z` });
  const booked = (await doctor.post<Known>("/v1/appointments", { ...visit, ...half(1) })).body.id;
  const [merged, twin, leaving] = await Promise.all([1, 2, 3].map(() => givenPatient(doctor)));
  await doctor.post(`/v1/patients/${patientId}/merge`, { from: merged });
  const emergency = { purpose: "ETREAT", reason: "Nobody else is there" };
  const broken = (await doctor.post<Known>(`/v1/patients/${patientId}/break-glass`, emergency)).body.id;
  const consents = `/v1/patients/${patientId}/consents`;
  const grantee = service.someone("doctor").actor.id;
  const given = (await admin.post<Known>(consents, { grantee, purpose: "TREAT" })).body.id;
  const asked = { reason: "Asked for in writing" };
  expect((await service.someone("admin").post(`/v1/patients/${leaving}/erase`, asked)).status).toBe(202);
  const bundle = { resourceType: "Bundle", type: "transaction", entry: [{ resource: FHIR_PATIENT }] };
  const prescription = { patientId, ...ASPIRIN };

  const writes: Record<string, () => ReturnType<TestClient["post"]>> = {
    "POST /v1/patients": () => doctor.post("/v1/patients", PERSON),
    "PATCH /v1/patients/{id}": () => doctor.patch(`/v1/patients/${patientId}`, { givenName: "Other" }),
    "POST /v1/patients/{id}/merge": () => doctor.post(`/v1/patients/${patientId}/merge`, { from: twin }),
    "POST /v1/patients/{id}/unmerge": () => doctor.post(`/v1/patients/${merged}/unmerge`),
    "PUT /v1/patients/{id}/care-team/{userId}": () =>
      admin.put(`/v1/patients/${patientId}/care-team/${service.someone("doctor").actor.id}`, {}),
    "POST /v1/care-team": () =>
      admin.post("/v1/care-team", { userId: service.someone("doctor").actor.id, patientIds: [patientId] }),
    "DELETE /v1/patients/{id}/care-team/{userId}": () =>
      admin.delete(`/v1/patients/${patientId}/care-team/${doctor.actor.id}`),
    "POST /v1/patients/{id}/break-glass": () => doctor.post(`/v1/patients/${twin}/break-glass`, emergency),
    "POST /v1/patients/{id}/erase": () => admin.post(`/v1/patients/${twin}/erase`, asked),
    "POST /v1/patients/{id}/erasure/approve": () => admin.post(`/v1/patients/${leaving}/erasure/approve`),
    "DELETE /v1/patients/{id}/erasure": () => admin.delete(`/v1/patients/${leaving}/erasure`),
    "PUT /v1/patients/{id}/legal-hold": () =>
      admin.put(`/v1/patients/${twin}/legal-hold`, { reason: "Proceedings in court" }),
    "DELETE /v1/patients/{id}/legal-hold": () => admin.delete(`/v1/patients/${merged}/legal-hold`),
    "PATCH /v1/break-glass/{id}": () => admin.patch(`/v1/break-glass/${broken}`, { reviewed: "justified" }),
    "POST /v1/patients/{id}/consents": () => admin.post(consents, { grantee, purpose: "HPAYMT" }),
    "DELETE /v1/patients/{id}/consents/{consentId}": () => admin.delete(`${consents}/${given}`),
    "POST /v1/patients/{id}/records": () => doctor.post(`/v1/patients/${patientId}/records`, note),
    "PUT /v1/records/{id}": () => doctor.put(`/v1/records/${record}`, note),
    "DELETE /v1/records/{id}": () => doctor.delete(`/v1/records/${record}`),
    "POST /v1/prescriptions": () => doctor.post("/v1/prescriptions", prescription),
    "PUT /v1/prescriptions/{id}": () => doctor.put(`/v1/prescriptions/${drug}`, prescription),
    "POST /v1/prescriptions/{id}/pdf": () => doctor.post(`/v1/prescriptions/${drug}/pdf`),
    "DELETE /v1/prescriptions/{id}": () => doctor.delete(`/v1/prescriptions/${drug}`),
    "POST /v1/claims": () => doctor.post("/v1/claims", claim),
    "PATCH /v1/claims/{id}": () => doctor.patch(`/v1/claims/${draft}`, { amount: 1 }),
    "POST /v1/claims/{id}/submit": () => doctor.post(`/v1/claims/${draft}/submit`),
    "POST /v1/claims/{id}/approve": () => admin.post(`/v1/claims/${sent}/approve`),
    "POST /v1/claims/{id}/reject": () => admin.post(`/v1/claims/${sent}/reject`, { reason: "Twice" }),
    "POST /v1/claims/{id}/pay": () => admin.post(`/v1/claims/${approved}/pay`),
    "POST /v1/appointments": () => doctor.post("/v1/appointments", { ...visit, ...half(2) }),
    "PATCH /v1/appointments/{id}": () => doctor.patch(`/v1/appointments/${booked}`, { reason: "Cough" }),
    "DELETE /v1/appointments/{id}": () => doctor.delete(`/v1/appointments/${booked}`),
    "POST /v1/fhir": () => doctor.post("/v1/fhir", bundle),
  };
  const fenced = recordsRoutes.filter((route) => codesOf(route).includes("restore_in_progress"));
  expect(Object.keys(writes).sort()).toEqual(fenced.map(({ method, path }) => `${method} ${path}`).sort());
  const key = { headers: { "idempotency-key": "kept" } };
  expect((await doctor.post("/v1/prescriptions", prescription, key)).status).toBe(201);

  await fence();
  for (const [name, write] of Object.entries(writes)) {
    const answer = await write();
    expect([name, answer.status, answer.body]).toMatchObject([name, 503, { code: "restore_in_progress" }]);
    expect(answer.headers.get("retry-after")).toBe("5");
  }
  // Not even what was answered before: by the end of the restore it may be gone.
  expect((await doctor.post("/v1/prescriptions", prescription, key)).status).toBe(503);
  for (const path of [
    `/v1/patients/${patientId}`,
    `/v1/prescriptions?patientId=${patientId}`,
    "/v1/patients",
  ]) {
    expect([path, (await doctor.get(path)).status]).toEqual([path, 200]);
  }
  expect((await doctor.post("/v1/prescriptions/search", { q: "salicyl" })).status).toBe(200);

  await restoring.query("select pg_advisory_unlock(7102312, 7)");
  expect((await doctor.post("/v1/prescriptions", prescription, key)).status).toBe(201);
  for (const [name, write] of Object.entries(writes)) {
    expect([name, (await write()).status < 500]).toEqual([name, true]);
  }
});

const PERSON = { givenName: "Grace", familyName: "Vale", birthDate: "1980-05-06", sex: "female" };
const FHIR_PATIENT = {
  resourceType: "Patient",
  name: [{ given: ["Ivo"], family: "Stone" }],
  gender: "male",
  birthDate: "1990-01-01",
};
