import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createSubjectKey } from "@medvault/keys";
import { createTestDatabase, startTestService, type TestClient, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { service as backupService } from "../services/backup/src/service.ts";
import { files } from "../services/files/src/files/file.table.ts";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Records,
  startRecords,
} from "../services/records/test/harness.ts";
import { type KeysPlace, makeKeysPlace, runTool } from "./test/harness.ts";

// Each command is a process of its own, which on a busy machine takes seconds to begin.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });
const SERVICES = ["auth", "records", "files", "audit", "backup"] as const;

let database: TestDatabase;
let place: KeysPlace;
let records: Records;
let admin: TestClient;
let stopBackup: () => Promise<unknown>;
let doctor: TestClient;
let patientId: string;
beforeAll(async () => {
  database = await createTestDatabase(SERVICES);
  place = await makeKeysPlace(database, SERVICES);
  records = await startRecords({ database, keyring: await place.keyringOf("records") });
  const at = (name: string) => path.join(place.dir, name);
  for (const name of ["files", "audit-store"]) await mkdir(at(name));
  const backup = await startTestService(backupService, {
    database,
    keyring: await place.keyringOf("backup"),
    env: {
      MEDVAULT_BACKUPS_DIR: at("backups"),
      MEDVAULT_FILES_DIR: at("files"),
      MEDVAULT_AUDIT_DIR: at("audit-store"),
    },
  });
  admin = backup.someone("admin");
  stopBackup = backup.close;
});
afterAll(async () => {
  await records?.close();
  await stopBackup?.();
  await database?.drop();
  await place?.remove();
});
beforeEach(async () => {
  doctor = records.someone("doctor");
  patientId = await givenPatient(doctor);
});

const DRUG = { ...ASPIRIN, dosage: "Two tablets" };
const change = (id: string) => doctor.put(`/v1/prescriptions/${id}`, { ...DRUG, patientId });
const read = (id: string) => doctor.get<{ dosage: string }>(`/v1/prescriptions/${id}`);

async function backUp(): Promise<string> {
  const { body } = await admin.post<{ id: string }>("/v1/backups");
  const state = async () => (await admin.get<{ state: string }>(`/v1/backups/${body.id}`)).body.state;
  await expect.poll(state, { timeout: 20_000 }).toBe("complete");
  return body.id;
}

/** Flips one bit of a row's box, as a disk does it: no trigger, no revision tells. */
async function flip(table: string, id: string): Promise<void> {
  const { rowCount } = await records.pool.query(
    `update ${table} set sealed = set_bit(sealed, 300, 1 - get_bit(sealed, 300)) where id = $1`,
    [id],
  );
  expect(rowCount).toBe(1);
}

const lines = async (table: string): Promise<string[]> =>
  (await records.pool.query<{ line: string }>(`select t::text as line from ${table} t order by 1`)).rows.map(
    ({ line }) => line,
  );

const restoreRow = (backup: string, row: string, table = "records.prescriptions") =>
  runTool("restore-row", ["--backup", backup, "--table", table, "--row", row], place.env);

/** What refuses, and in which words; and that it changed nothing. */
async function refused(words: RegExp, code: number, ...args: Parameters<typeof restoreRow>): Promise<void> {
  const before = await lines("prescriptions");
  const ran = await restoreRow(...args);
  expect(ran.err).toMatch(words);
  expect(ran.code).toBe(code);
  expect(await lines("prescriptions")).toEqual(before);
}

test("a damaged row is put back from a backup, findable and changeable again, and others stay as they are", async () => {
  const bad = await givenPrescription(doctor, patientId, { medication: "Zolpidem" });
  const good = await givenPrescription(doctor, patientId);
  const backup = await backUp();
  await change(good);
  await flip("prescriptions", bad);
  const listed = await doctor.get<{ items: object[] }>(`/v1/prescriptions?patientId=${patientId}`);
  expect(listed.body.items).toContainEqual({ id: bad, patientId, damaged: true });
  const others = (await lines("prescriptions")).filter((line) => !line.includes(bad));
  await records.events();
  const ran = await restoreRow(backup, bad);
  expect(ran).toMatchObject({ code: 0, err: "" });
  expect(ran.out).toMatch(
    /is back: .* \(revision 1\), as revision 2\.\nIt was not changed after that backup/,
  );
  expect(await read(bad)).toMatchObject({ status: 200, body: { id: bad, medication: "Zolpidem" } });
  expect((await lines("prescriptions")).filter((line) => !line.includes(bad))).toEqual(others);
  const events = await records.events();
  expect(events.find(({ type }) => type === "medvault.records.prescription.restored.v1")).toMatchObject({
    subject: `prescription/${bad}`,
    data: {
      patientIds: [patientId],
      action: "row:restore",
      details: { backupId: backup, backupRev: 1, rev: 2 },
    },
  });
  const found = await doctor.post<{ items: { id: string }[] }>("/v1/prescriptions/search", { q: "zolpi" });
  expect(found.body.items.map(({ id }) => id)).toEqual([bad]);
  expect((await change(bad)).status).toBe(200);
  await refused(/opens: a healthy row is never put back/, 1, backup, bad);
});

test("threat: a row that is put back is a revision of before again: it gets one of its own, and its versions stay", async () => {
  const id = await givenPrescription(doctor, patientId);
  const backup = await backUp();
  expect((await change(id)).status).toBe(200);
  await flip("prescriptions", id);
  const ran = await restoreRow(backup, id);
  expect(ran.out).toMatch(
    /as revision 3\.\nThe damaged row was revision 2: what was changed after revision 1/,
  );
  expect(await read(id)).toMatchObject({ status: 200, body: { dosage: ASPIRIN.dosage } });
  expect((await change(id)).status).toBe(200);
  const { body } = await doctor.get<{ items: { version: number }[] }>(`/v1/prescriptions/${id}/versions`);
  expect(body.items.map(({ version }) => version)).toEqual([4, 3, 1]);
});

test("a row that is lost comes back, but not one that someone deleted", async () => {
  const lost = await givenPrescription(doctor, patientId);
  const deleted = await givenPrescription(doctor, patientId);
  const backup = await backUp();
  await records.pool.query("delete from prescriptions where id = $1", [lost]);
  expect((await restoreRow(backup, lost)).code).toBe(0);
  expect((await read(lost)).status).toBe(200);
  expect((await doctor.delete(`/v1/prescriptions/${deleted}`)).status).toBe(204);
  await refused(/was deleted by someone/, 1, backup, deleted);
  await records.events(); // the event has left the outbox: the log alone knows
  await database.pool("audit").query(
    `insert into log (idx, id, occurred_at, type, producer, patient_ids, subject, action, outcome, leaf, sealed)
     values (0, $1, now(), 'medvault.records.prescription.deleted.v1', 'records', '{}', $2, 'prescription:delete', 'success', $3, '')`,
    [randomUUID(), `prescription/${deleted}`, Buffer.alloc(32)],
  );
  await refused(/was deleted by someone/, 1, backup, deleted);
  await records.pool.query("delete from patients where id = $1", [patientId]);
  await refused(/The row of its patient is gone/, 1, backup, lost);
  await refused(/The patient's row is gone, and all/, 1, backup, patientId, "records.patients");
});

test("threat: a restored row gives back what was taken: erased, hidden, another account's, revised since", async () => {
  const made = async (body: object) =>
    (await doctor.post<{ id: string }>(`/v1/patients/${patientId}/records`, body)).body.id;
  const note = { type: "note", title: "Cough", body: "Dry", occurredAt: "2026-01-02T03:04:05Z" };
  const [hidden, revised, kept] = [await made(note), await made(note), await made(note)];
  const drug = await givenPrescription(doctor, patientId);
  const backup = await backUp();
  expect((await doctor.delete(`/v1/records/${hidden}`)).status).toBe(204);
  expect((await doctor.put(`/v1/records/${revised}`, { ...note, body: "Wet" })).status).toBe(200);
  for (const id of [hidden, revised, kept]) await flip("medical_records", id);
  await refused(/was hidden by someone/, 1, backup, hidden, "records.medical_records");
  await refused(/was revised after the backup/, 1, backup, revised, "records.medical_records");
  expect(await restoreRow(backup, kept, "records.medical_records")).toMatchObject({ code: 0, err: "" });
  expect(await doctor.get(`/v1/records/${kept}`)).toMatchObject({ status: 200, body: { body: "Dry" } });
  await flip("patients", patientId);
  await records.pool.query("insert into account_links values ($1, $2, now())", [patientId, randomUUID()]);
  await refused(/account was changed after the backup/, 1, backup, patientId, "records.patients");
  await records.pool.query("delete from account_links where patient_id = $1", [patientId]);
  expect(await restoreRow(backup, patientId, "records.patients")).toMatchObject({ code: 0, err: "" });
  expect((await doctor.get(`/v1/patients/${patientId}`)).status).toBe(200);
  await flip("prescriptions", drug);
  expect((await place.keys("shred", patientId)).code).toBe(0);
  await refused(/The patient was erased/, 1, backup, drug);
});

test("wrong tables, ids and backups are refused in words", async () => {
  const backup = await backUp();
  const id = await givenPrescription(doctor, patientId);
  await flip("prescriptions", id);
  await refused(
    /auth\.users has no rows that can be put back: it is one of records\.patients/,
    2,
    backup,
    id,
    "auth.users",
  );
  await refused(/prescriptions; drop .* has no rows/, 2, backup, id, "prescriptions; drop table x");
  await refused(/--row is the id of a row/, 2, backup, "all");
  await refused(/--backup is the id of a backup/, 2, "../x", id);
  await refused(/has no row .* in records\.prescriptions/, 1, backup, id);
  await refused(/There is no complete backup/, 1, randomUUID(), id);
});

test("threat: a damaged backup puts a forged row back", async () => {
  const id = await givenPrescription(doctor, patientId);
  const backup = await backUp();
  await flip("prescriptions", id);
  for (const [file, reason] of [
    ["manifest", "manifest_changed"],
    ["parts/records.prescriptions", "part_damaged"],
  ] as const) {
    const at = path.join(place.dir, "backups", backup, file);
    const whole = await readFile(at);
    const bytes = Buffer.from(whole);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    await writeFile(at, bytes);
    await refused(new RegExp(`is not whole \\(${reason}\\): take another`), 1, backup, id);
    await writeFile(at, whole);
  }
  expect((await restoreRow(backup, id)).code).toBe(0);
});

test("a file's row is put back beside its content, and refused where that may be gone", async () => {
  const [id, blob, pool] = [randomUUID(), randomUUID(), database.pool("files")];
  const keyring = await place.keyringOf("files");
  const sha256 = "0".repeat(64);
  const row = {
    contentType: "text/plain",
    sizeBytes: 6,
    state: "stored" as const,
    blob,
    blobBytes: 40,
    blobSha256: sha256,
  };
  const value = {
    ...row,
    id,
    rev: 1,
    patientId,
    attachedTo: null,
    uploadedBy: id,
    name: "a.txt",
    sha256,
    fileKey: "",
  };
  const { open, sealed } = files.seal(
    keyring,
    await createSubjectKey(pool, keyring, patientId),
    value as never,
  );
  await pool.query(
    `insert into files (id, patient_id, content_type, size_bytes, state, uploaded_by, blob, blob_bytes, blob_sha256, rev, open, sealed)
     values ($1, $2, 'text/plain', 6, 'stored', $1, $3, 40, $4, 1, $5, $6)`,
    [id, patientId, blob, sha256, open, sealed],
  );
  const backup = await backUp();
  const set = (change: string) => pool.query(`update files set ${change} where id = $1`, [id]);
  await set("sealed = set_bit(sealed, 300, 1 - get_bit(sealed, 300)), blob = gen_random_uuid()");
  await refused(/content may be gone with its row/, 1, backup, id, "files.files");
  await set(`blob = '${blob}'`);
  expect(await restoreRow(backup, id, "files.files")).toMatchObject({ code: 0, err: "" });
  await refused(/a healthy row is never put back/, 1, backup, id, "files.files");
});
