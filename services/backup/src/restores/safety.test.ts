import type { BackupView } from "@medvault/contracts";
import { RestoreInProgress } from "@medvault/postgres";
import { drainedEvents } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  everything,
  givenFile,
  givenPatient,
  givenPrescription,
  leftoverSchemasOf,
  makeBackup,
  restore,
  runJob,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";

let backup: TestBackup;
beforeEach(async () => {
  backup = await startBackup();
});
afterEach(() => backup?.stop());

const viewOf = async (id: string) => (await backup.admin.get<BackupView>(`/v1/backups/${id}`)).body;

/** Something of each kind since the backup; gives what a restore undoes of it. */
async function changeSomething(patientId: string, otherId: string) {
  const added = await givenPatient(backup, 2);
  await givenFile(backup, added.id);
  await backup.records.query("update prescriptions set sealed = '\\\\x00' where patient_id = $1", [
    patientId,
  ]);
  await backup.records.query("delete from prescriptions where patient_id = $1", [otherId]);
  return {
    written: 5, // the patient, their doctor, two prescriptions, a file
    changed: 3,
    removed: 3,
    patients: 3,
    tables: [
      { table: "records.care_team", written: 1, changed: 0, removed: 0 },
      { table: "records.patients", written: 1, changed: 0, removed: 0 },
      { table: "records.prescriptions", written: 2, changed: 3, removed: 3 },
      { table: "files.files", written: 1, changed: 0, removed: 0 },
    ],
  };
}

test("a preview names what a restore would undo, table by table, and changes nothing", async () => {
  const [one, two] = [await givenPatient(backup), await givenPatient(backup)];
  const { id } = await makeBackup(backup);
  const undone = await changeSomething(one.id, two.id);
  const live = await everything(backup);
  await drainedEvents(backup.pool);

  const asked = await backup.admin.post<BackupView>(`/v1/backups/${id}/restore-preview`);
  expect(asked).toMatchObject({ status: 202, body: { restore: null, preview: { state: "requested" } } });
  expect(await runJob(backup)).toEqual({ done: 1, failed: 0 });
  const view = await viewOf(id);
  expect(view).toMatchObject({ restore: null, preview: { state: "complete", safetyBackupId: null } });
  expect(view.preview?.changes).toEqual(undone);
  expect(await everything(backup)).toEqual(live);
  expect(await leftoverSchemasOf(backup)).toEqual([]);
  const events = (await drainedEvents(backup.pool)).map((event) => event.type);
  expect(events).toContain("medvault.backup.backup.restore_preview_requested.v1");
  expect(events).toContain("medvault.backup.backup.restore_previewed.v1");
});

test("a preview of what is there is nothing, and writes go on beside it", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  await backup.admin.post(`/v1/backups/${id}/restore-preview`);
  const job = runJob(backup);
  let ended = false;
  const writing = (async () => {
    while (!ended) await backup.records.query("update patients set rev = rev where id = $1", [patient.id]);
  })();
  await job;
  ended = true;
  await writing;
  expect((await viewOf(id)).preview?.changes).toEqual({
    ...{ written: 0, changed: 0, removed: 0, patients: 0 },
    tables: [],
  });
});

test("threat: what was acknowledged between the backup and the restore's fence is gone, and nobody can say what it was", async () => {
  const [one, two] = [await givenPatient(backup), await givenPatient(backup)];
  const { id } = await makeBackup(backup);
  await changeSomething(one.id, two.id);
  const acknowledged: string[] = [];
  let fenced = false;
  const writer = (async () => {
    while (!fenced) {
      const made = await givenPrescription(backup, one.id).catch((error: unknown) => {
        if (!(error instanceof RestoreInProgress)) throw error;
        fenced = true;
        return "";
      });
      if (made) acknowledged.push(made);
    }
  })();
  const undone = await restore(backup, id);
  await writer;
  expect(undone).toMatchObject({ state: "complete", error: null });
  expect(acknowledged.length).toBeGreaterThan(2);
  const prescriptions = undone?.changes?.tables.find(({ table }) => table === "records.prescriptions");
  expect(prescriptions).toMatchObject({ written: 2 + acknowledged.length, changed: 3, removed: 3 });
  const there = () => backup.records.query("select from prescriptions where id = any($1)", [acknowledged]);
  expect((await there()).rowCount).toBe(0);

  const safety = await viewOf(undone?.safetyBackupId ?? "");
  expect(safety.state).toBe("complete");
  expect((await restore(backup, safety.id))?.state).toBe("complete");
  expect((await there()).rowCount).toBe(acknowledged.length);
});

test("without a safety backup there is no restore, unless it is asked for so", async () => {
  await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const late = await givenPatient(backup);
  const live = await everything(backup);
  await backup.asOwner(
    "alter table backup.backups add constraint full_disk check (state <> 'complete') not valid",
  );
  expect(await restore(backup, id)).toMatchObject({ state: "failed", error: "safety_backup_failed" });
  expect(await everything(backup)).toEqual(live);

  const asked = await backup.admin.post(`/v1/backups/${id}/restore`, { withoutSafetyBackup: true });
  expect(asked.status).toBe(202);
  await runJob(backup);
  expect((await viewOf(id)).restore).toMatchObject({ state: "complete", safetyBackupId: null });
  expect((await backup.records.query("select from patients where id = $1", [late.id])).rowCount).toBe(0);
});
