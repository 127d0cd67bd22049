import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BackupView, newId } from "@medvault/contracts";
import { createKeyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { drainedEvents } from "@medvault/testing";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  everything,
  filesUnder,
  flip,
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

async function countOf(table: string): Promise<number> {
  return (await everything(backup))[table]?.length ?? -1;
}

test("after damage of every kind a restore brings back what was backed up, and only that", async () => {
  const patient = await givenPatient(backup);
  const other = await givenPatient(backup);
  const file = await givenFile(backup, patient.id);
  const damaged = await givenFile(backup, patient.id);
  const before = await everything(backup);
  const view = await makeBackup(backup);

  await backup.records.query("delete from patients where id = $1", [patient.id]);
  await backup.records.query("delete from subject_keys where subject_id = $1", [patient.id]);
  await backup.records.query("update prescriptions set sealed = '\\x00' where patient_id = $1", [other.id]);
  await backup.records.query("insert into fhir_sources values ($1, '\\x01')", [patient.id]);
  const late = await givenPatient(backup);
  await rm(file.path);
  await flip(damaged.path);
  await backup.files.query("delete from files where id = $1", [file.id]);
  await drainedEvents(backup.pool);

  expect(await restore(backup, view.id)).toMatchObject({ state: "complete", error: null });
  expect(await everything(backup)).toEqual(before);
  expect(await countOf("patients")).toBe(2);
  expect((await readFile(file.path)).equals(file.bytes)).toBe(true);
  expect((await readFile(damaged.path)).equals(damaged.bytes)).toBe(true);
  const keys = await backup.records.query("select from subject_keys where subject_id = any($1)", [
    [patient.id, other.id, late.id],
  ]);
  expect(keys.rowCount).toBe(3);
  expect(await leftoverSchemasOf(backup)).toEqual([]);
  const events = await drainedEvents(backup.pool);
  const asked = events.find((event) => event.type === "medvault.backup.backup.restore_requested.v1");
  expect(events.find((event) => event.type === "medvault.backup.backup.restored.v1")).toMatchObject({
    subject: `backup/${view.id}`,
    requestid: asked?.requestid,
    data: {
      actor: { id: backup.admin.actor.id },
      outcome: "success",
      details: { keysBack: 1, blobsBack: 2, assignmentsEnded: 0 },
    },
  });
  expect(backup.woken).toEqual(["restore"]);
});

test("the service's role works on the restored tables as before, and migrations to come keep its rights", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  expect((await restore(backup, id))?.state).toBe("complete");
  await givenPrescription(backup, patient.id);
  await backup.records.query("delete from prescriptions");
  await expect(backup.records.query("create table records.mine (a int)")).rejects.toMatchObject({
    code: "42501",
  });
  await expect(backup.files.query("select from records.patients")).rejects.toMatchObject({ code: "42501" });
  const { rows } = await backup.pool.query<{ rights: number }>(
    `select count(*) as rights from pg_default_acl d join pg_namespace n on n.oid = d.defaclnamespace
      where n.nspname in ('records', 'files')`,
  );
  expect(rows[0]?.rights).toBe(8);
  expect((await makeBackup(backup)).state).toBe("complete");
});

test("a doctor who left a care team since the backup does not come back by a restore; one who came back since does", async () => {
  const [left, returned, stayed] = [
    await givenPatient(backup),
    await givenPatient(backup),
    await givenPatient(backup),
  ];
  const { id } = await makeBackup(backup);
  const end = async ({ id: patientId, doctor }: typeof left) => {
    await backup.records.query("delete from care_team where patient_id = $1", [patientId]);
    await backup.records.query("insert into care_team_ends values ($1, $2, now())", [patientId, doctor]);
  };
  await end(left);
  await end(returned);
  await backup.records.query("insert into care_team values ($1, $2, $2, now())", [
    returned.id,
    returned.doctor,
  ]);
  // Not by way of the service: damage, which a restore is there to heal.
  await backup.records.query("delete from care_team where patient_id = $1", [stayed.id]);
  expect((await restore(backup, id))?.state).toBe("complete");
  const { rows } = await backup.records.query<{ patient_id: string }>("select patient_id from care_team");
  expect(rows.map((row) => row.patient_id).sort()).toEqual([returned.id, stayed.id].sort());
});

test.each([
  ["tables are dropped", "drop table records.care_team, records.prescriptions cascade"],
  ["tables are emptied", "truncate records.patients cascade"],
  ["a whole schema is dropped", "drop schema records cascade"],
])("when %s a restore brings everything back but ended assignments", async (_, damage) => {
  const [left, stayed] = [await givenPatient(backup), await givenPatient(backup)];
  const { id } = await makeBackup(backup);
  await backup.records.query("delete from care_team where patient_id = $1", [left.id]);
  const before = await everything(backup);
  await backup.records.query("insert into care_team_ends values ($1, $2, now())", [left.id, left.doctor]);
  const superuser = new pg.Client(backup.database.superuserUrl);
  await superuser.connect();
  await superuser.query(damage);
  await superuser.end();
  expect(await restore(backup, id)).toMatchObject({ state: "complete" });
  expect(await everything(backup)).toEqual(before);
  await givenPrescription(backup, stayed.id);
});

test("a key that is there is left alone, whatever the backup has; nothing of the sys schemas is rewound", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const rewrapped = Buffer.alloc(102, 7);
  await backup.records.query("update subject_keys set wrapped = $2 where subject_id = $1", [
    patient.id,
    rewrapped,
  ]);
  await backup.records.query("update producer set last_seq = 41");
  expect((await restore(backup, id))?.state).toBe("complete");
  const { rows } = await backup.records.query<{ wrapped: Buffer; last_seq: number }>(
    "select wrapped, last_seq from subject_keys, producer where subject_id = $1",
    [patient.id],
  );
  expect(rows[0]).toEqual({ wrapped: rewrapped, last_seq: 41 });
});

test("a backup damaged anywhere is refused and changes nothing", async () => {
  const patient = await givenPatient(backup);
  await givenFile(backup, patient.id);
  const { id } = await makeBackup(backup);
  await backup.records.query("update patients set rev = rev + 1");
  const live = await everything(backup);
  const folder = join(backup.dirs.backups, id);
  const paths = (await filesUnder(folder)).filter((path) =>
    /key$|manifest$|patients$|files.list$|blobs/.test(path),
  );
  expect(paths.length).toBeGreaterThanOrEqual(5);
  for (const path of paths) {
    const original = await readFile(path);
    await flip(path, original.length - 2);
    await drainedEvents(backup.pool);
    const result = await restore(backup, id);
    expect([path, result?.state]).toEqual([path, "failed"]);
    const event = (await drainedEvents(backup.pool)).find((e) => e.type.endsWith("backup.refused.v1"));
    expect(event?.data).toMatchObject({ outcome: "failure", decision: { reason: result?.error } });
    expect(await everything(backup)).toEqual(live);
    expect(await leftoverSchemasOf(backup)).toEqual([]);
    await writeFile(path, original);
  }
  expect((await restore(backup, id))?.state).toBe("complete");
});

test("another installation's key refuses the backup and changes nothing", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const keysFile = join(backup.dirs.backups, "../keys/other.json");
  await generateKeyFile(keysFile, "backup");
  await backup.records.query("update patients set rev = 9 where id = $1", [patient.id]);
  const live = await everything(backup);
  const own = backup.keyring;
  backup.keyring = await createKeyring({ service: "backup", keysFile });
  await backup.admin.post(`/v1/backups/${id}/restore`);
  await runJob(backup);
  backup.keyring = own;
  const view = (await backup.admin.get<BackupView>(`/v1/backups/${id}`)).body;
  expect(view.restore).toMatchObject({ state: "failed", error: "key_refused" });
  expect(await everything(backup)).toEqual(live);
});

test("events that do not leave, as with the broker away, stop a restore before it changes anything", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  await backup.records.query("update patients set rev = 9 where id = $1", [patient.id]);
  const live = await everything(backup);
  await backup.records.query(
    "insert into outbox (id, audience, type, event) values ($1, 'audit', 'medvault.records.x.v1', '{}')",
    [newId()],
  );
  expect(await restore(backup, id)).toMatchObject({ state: "failed", error: "outbox_not_drained" });
  expect(await everything(backup)).toEqual(live);
  expect(await leftoverSchemasOf(backup)).toEqual([]);
});

test("one restore at a time, none beside a backup, and no backup beside it", async () => {
  await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const post = (path: string) => backup.admin.post<{ code: string }>(path);
  expect((await post(`/v1/backups/${id}/restore`)).status).toBe(202);
  expect((await post(`/v1/backups/${id}/restore`)).body.code).toBe("restore_running");
  expect((await post("/v1/backups")).body.code).toBe("restore_running");
  expect((await backup.admin.delete<{ code: string }>(`/v1/backups/${id}`)).status).toBe(409);
  await runJob(backup);
  expect((await post("/v1/backups")).status).toBe(202);
});
