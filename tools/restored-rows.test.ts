import { afterAll, beforeAll, expect, test } from "vitest";
import { rowEventOf } from "../services/audit/src/row-events/row-event.ts";
import { makeBackup, restore, startBackup, type TestBackup } from "../services/backup/test/harness.ts";
import { givenLog } from "../services/records/src/row-check/row-check.testdata.ts";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Records,
  startRecords,
} from "../services/records/test/harness.ts";

let backup: TestBackup;
let records: Records;
let log: ReturnType<typeof givenLog>;
beforeAll(async () => {
  backup = await startBackup();
  records = await startRecords({ database: backup.database });
  log = givenLog(records);
});
afterAll(async () => {
  await records?.close();
  await backup?.stop();
});

/** What backup says in the log. */
async function told(): Promise<void> {
  for (const event of await backup.events()) if (rowEventOf(event, 0)) log.entries.push(event);
}

test("a restore says what it left rows as: none of them is a finding, and what is put back after it is", async () => {
  const doctor = records.someone("doctor");
  const patientId = await givenPatient(doctor);
  const [changed, deleted] = [
    await givenPrescription(doctor, patientId),
    await givenPrescription(doctor, patientId),
  ];
  const erased = await givenPatient(doctor);
  const change = (dosage: string) =>
    doctor.put(`/v1/prescriptions/${changed}`, { ...ASPIRIN, patientId, dosage });
  await change("Two tablets");
  expect(await log.found()).toEqual([]);
  await log.log.settle();
  const { id } = await makeBackup(backup);

  await change("Three tablets");
  await change("Four tablets");
  await doctor.delete(`/v1/prescriptions/${deleted}`);
  const added = await givenPrescription(doctor, patientId);
  expect(
    (await records.someone("admin").post(`/v1/patients/${erased}/erase`, { reason: "They asked for it" }))
      .status,
  ).toBe(202);
  expect(await log.found()).toEqual([]);
  await log.log.settle();
  await told();
  expect((await restore(backup, id))?.state).toBe("complete");
  expect((await doctor.get(`/v1/prescriptions/${changed}`)).body).toMatchObject({ dosage: "Two tablets" });
  expect((await doctor.get(`/v1/prescriptions/${added}`)).status).toBe(404);

  // Until its event is in the log nothing is said of rows.
  await expect(log.check()).rejects.toThrow("does not have the last restore");
  await told();
  expect(await log.check()).toMatchObject({ disagreeing: 0, busy: 0, unlistedRestores: 0 });
  expect(await log.check(true)).toMatchObject({ disagreeing: 0, busy: 0, unlistedRestores: 0 });
  await change("Five tablets");
  expect(await log.found(true)).toEqual([]);

  await records.superuser(`delete from records.prescriptions where id = '${changed}'`);
  expect(await log.found()).toEqual([`prescription/${changed} deleted`]);
});
