import { newId } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { hospital, load } from "../../test/fhir.ts";
import { givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";
import { givenWholeChart } from "../erasure/erasure.testdata.ts";
import { givenLog } from "./row-check.testdata.ts";

let service: Records;
let doctor: TestClient;
let log: ReturnType<typeof givenLog>;
beforeAll(async () => {
  service = await startRecords();
});
beforeEach(async () => {
  await service.events();
  await service.superuser(
    `truncate records.patients, records.fhir_resources, records_sys.expected_rows, records_sys.row_check,
              records_sys.row_findings, records_sys.row_manifests cascade;
     drop table if exists records.kept, records.kept_expected`,
  );
  doctor = service.someone("doctor");
  log = givenLog(service);
});
afterAll(() => service?.close());

const NOTE = { type: "note", title: "Cough", body: "Dry", occurredAt: "2026-01-02T03:04:05Z" };

/** A patient with a prescription at its second revision, and a record at its second version. */
async function given() {
  const patientId = await givenPatient(doctor);
  const drug = await givenPrescription(doctor, patientId);
  const other = await givenPrescription(doctor, patientId);
  const { body: record } = await doctor.post<{ id: string }>(`/v1/patients/${patientId}/records`, NOTE);
  await doctor.put(`/v1/records/${record.id}`, { ...NOTE, body: "Wet" });
  return { patientId, drug, other, record: record.id };
}
const change = (drug: string, patientId: string, dosage: string) =>
  doctor.put(`/v1/prescriptions/${drug}`, {
    ...{ patientId, medication: "Aspirin", dosage, startDate: "2026-01-15", status: "active" },
  });

test("rows that were written as the log says are right, also while their events are on their way", async () => {
  await given();
  await doctor.patch(`/v1/patients/${await givenPatient(doctor)}`, { phone: "555-1" });
  const first = await log.check();
  expect(first).toMatchObject({ isFull: true, disagreeing: 0, adopted: 0, busy: 0 });
  expect(first.rows).toBe(7);
  await given();
  expect(await log.check()).toMatchObject({ isFull: false, disagreeing: 0 });
});

test("threat: a row put back to its former box, revision and times is found, once, with its patient", async () => {
  const { patientId, drug } = await given();
  await service.superuser("create table records.kept as select * from records.prescriptions");
  await change(drug, patientId, "Two tablets");
  expect(await log.found()).toEqual([]);
  await service.superuser(
    `begin; delete from records.prescriptions where id = '${drug}';
     insert into records.prescriptions select * from records.kept where id = '${drug}'; commit`,
  );
  expect((await doctor.get(`/v1/prescriptions/${drug}`)).status).toBe(200); // served without notice
  expect(await log.found()).toEqual([`prescription/${drug} rolled_back`]);
  await log.log.settle();
  expect(log.entries.filter(({ type }) => type.includes("disagrees"))).toMatchObject([
    {
      type: "medvault.records.row.disagrees.v1",
      subject: `prescription/${drug}`,
      data: {
        ...{ outcome: "failure", patientIds: [patientId] },
        details: { what: "rolled_back", expectedRev: 2, foundRev: 1 },
      },
    },
  ]);
  expect(await log.found()).toEqual([`prescription/${drug} rolled_back`]);
  await log.log.settle();
  expect(log.entries.filter(({ type }) => type.includes("disagrees"))).toHaveLength(1);
  // Its expectation put back as well: the whole log says it again.
  await service.superuser(`delete from records.prescriptions where id = '${drug}'`);
  expect(await log.found()).toEqual([`prescription/${drug} deleted`]);
});

test("threat: an expectation put back with its row is found when the whole log is read", async () => {
  const { patientId, drug } = await given();
  await log.check();
  await service.superuser(`create table records.kept as select * from records.prescriptions;
    create table records.kept_expected as select * from records_sys.expected_rows`);
  await change(drug, patientId, "Two tablets");
  await log.check();
  await service.superuser(
    `begin; delete from records.prescriptions where id = '${drug}';
     insert into records.prescriptions select * from records.kept where id = '${drug}';
     delete from records_sys.expected_rows where id = '${drug}';
     insert into records_sys.expected_rows select * from records.kept_expected where id = '${drug}'; commit`,
  );
  expect(await log.found(true)).toEqual([`prescription/${drug} rolled_back`]);
});

test("threat: an expectation that is edited is no expectation: the log is read again", async () => {
  const { drug } = await given();
  await log.check();
  await service.superuser(
    `update records_sys.expected_rows set sha256 = sha256('x'), rev = 9 where id = '${drug}'`,
  );
  expect(await log.check()).toMatchObject({ forged: 1 });
  expect(await log.check()).toMatchObject({ forged: 0, disagreeing: 0 });
  await service.superuser("update records_sys.row_check set next = 1000000, based = false");
  expect(await log.check()).toMatchObject({ isFull: true, disagreeing: 0, adopted: 0 });
});

test("threat: rows that are deleted, swapped, inserted, and edited versions are found", async () => {
  const { patientId, drug, other, record } = await given();
  await change(drug, patientId, "Two tablets");
  expect(await log.found()).toEqual([]);
  const gone = await givenPrescription(doctor, patientId);
  expect(await log.found()).toEqual([]);
  await service.superuser(`delete from records.prescriptions where id = '${gone}'`);
  await service.superuser(
    `update records.prescriptions set sealed = (select sealed from records.prescriptions where id = '${drug}')
      where id = '${other}'`,
  );
  const made = newId();
  await service.superuser(
    `insert into records.claims (id, patient_id, created_by, status, created_at, updated_at, rev, open, sealed)
     values ('${made}', '${patientId}', '${patientId}', 'paid', now(), now(), 1, '{}', 'x')`,
  );
  await service.superuser("update records.medical_record_versions set sealed = sealed || 'x'");
  await service.superuser(`delete from records.row_versions where row_id = '${drug}'`);
  const found = await log.found();
  const ids = found.map((one) => one.replace(/^((?:row|record)-version)\/\S+/, "$1"));
  expect(ids).toEqual(
    [
      ...[`claim/${made} unknown_row`, `prescription/${gone} deleted`, `prescription/${other} swapped`],
      ...["record-version changed", "row-version deleted"],
    ].sort(),
  );
  expect(record).toBeTruthy();
  const { rows } = await service.pool.query("select count(*)::int as n from row_findings");
  expect(rows).toEqual([{ n: 5 }]);
});

test("deletions, hidden records, merges and their undoing, kept resources and erasures are no findings", async () => {
  const { patientId, drug, record } = await given();
  await log.check();
  const admin = service.someone("admin");
  const { patientId: erased } = await givenWholeChart(service, doctor);
  await change(drug, patientId, "Two tablets");
  await doctor.delete(`/v1/prescriptions/${drug}`);
  await doctor.delete(`/v1/records/${record}`);
  const twin = await givenPatient(doctor);
  expect((await doctor.post(`/v1/patients/${patientId}/merge`, { from: twin })).status).toBe(200);
  expect(await log.found()).toEqual([]);
  expect((await doctor.post(`/v1/patients/${twin}/unmerge`, {})).status).toBe(200);
  expect(
    (await admin.post(`/v1/patients/${erased}/erase`, { reason: "The patient asked for it" })).status,
  ).toBe(202);
  expect(await log.check()).toMatchObject({ disagreeing: 0, busy: 0, adopted: 0 });
  expect(await log.check(true)).toMatchObject({ disagreeing: 0, busy: 0, adopted: 0 });
});

test("an import of many rows is known by its list, which nobody changes without notice", async () => {
  const { patient, lab } = hospital(newId());
  await load(doctor, [patient(), lab({ status: "preliminary" })]);
  await load(doctor, [
    patient(),
    lab({ status: "corrected", valueQuantity: { value: 3.9, unit: "mmol/L" } }),
  ]);
  expect(await log.check()).toMatchObject({ disagreeing: 0, adopted: 0, unlistedImports: 0 });
  await service.superuser("update records.medical_records set sealed = sealed || 'x'");
  expect(await log.found()).toEqual([expect.stringMatching(/^record\/.* changed$/)]);
  await service.superuser("update records_sys.row_manifests set lines = replace(lines, ' 1 ', ' 2 ')");
  expect(await log.found(true)).toContainEqual(expect.stringMatching(/^row-list\/.* list_lost$/));
});

test("what the log did not say before the first check is counted, and watched from then on", async () => {
  const { drug, other } = await given();
  await log.log.settle();
  for (const event of log.entries) delete event.data.details;
  const first = await log.check();
  expect(first).toMatchObject({ disagreeing: 0, busy: 0 });
  expect(first.adopted).toBe(first.rows);
  await service.superuser(`update records.prescriptions set sealed = sealed || 'x' where id = '${drug}'`);
  expect(await log.found()).toEqual([`prescription/${drug} changed`]);
  // Adopted once: the log itself says that it was done.
  await service.superuser("truncate records_sys.row_check");
  await service.superuser(`delete from records_sys.expected_rows where id = '${other}'`);
  expect(await log.found()).toContain(`prescription/${other} unknown_row`);
});

test("rows that are written all the time while they are compared are no findings", async () => {
  const { patientId, drug } = await given();
  await log.check();
  let isDone = false;
  const writing = (async () => {
    for (let n = 0; !isDone; n++) await change(drug, patientId, `${n} tablets`);
  })();
  for (let n = 0; n < 5; n++) expect(await log.check(n === 3)).toMatchObject({ disagreeing: 0 });
  isDone = true;
  await writing;
  expect(await log.check()).toMatchObject({ disagreeing: 0, busy: 0 });
});

test("one check at a time, of whatever process", async () => {
  await given();
  const ended = await Promise.allSettled([log.check(), log.check()]);
  expect(ended.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});
