import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Actor, type BackupView, newId } from "@medvault/contracts";
import { createKeyring, idempotent, type Keyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { createPool, type Db, type Tx } from "@medvault/postgres";
import { createLogger } from "@medvault/service-kit";
import { createTestDatabase, startTestService } from "@medvault/testing";
import pg from "pg";
import { expect } from "vitest";
import { makeBackupNow } from "../src/backups/making.service.ts";
import { openContext } from "../src/context.ts";
import { runRestores } from "../src/restores/restore.service.ts";
import { service } from "../src/service.ts";

/** The backup service beside the real tables that it copies, with directories of its own. */
export async function startBackup() {
  const database = await createTestDatabase(["auth", "records", "files", "backup"]);
  const directory = await mkdtemp(join(tmpdir(), "medvault-backup-"));
  const at = (name: string) => join(directory, name);
  const dirs = { backups: at("backups"), files: at("files"), audit: at("audit") };
  for (const path of Object.values(dirs)) await mkdir(path);
  const keysFile = at("keys/backup.json");
  await generateKeyFile(keysFile, "backup");
  const woken: string[] = [];
  const watched: typeof service = {
    ...service,
    open: async (parts) => ({ ...(await openContext(parts)), wakeRestoreJob: () => woken.push("restore") }),
  };
  const started = await startTestService(watched, {
    database,
    keyring: await createKeyring({ service: "backup", keysFile }),
    env: {
      MEDVAULT_BACKUPS_DIR: dirs.backups,
      MEDVAULT_FILES_DIR: dirs.files,
      MEDVAULT_AUDIT_DIR: dirs.audit,
    },
  });
  return {
    ...started,
    ...{ dirs, keysFile, woken },
    records: database.pool("records"),
    files: database.pool("files"),
    admin: started.someone("admin"),
    async asOwner(statement: string): Promise<void> {
      const owner = new pg.Client(database.ownerUrl);
      await owner.connect();
      await owner.query(statement).finally(() => owner.end());
    },
    async stop() {
      await started.close();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
export type TestBackup = Awaited<ReturnType<typeof startBackup>>;

/** Starts a backup through the API and waits until it is no longer running. */
export async function makeBackup(backup: TestBackup): Promise<BackupView> {
  const started = await backup.admin.post<BackupView>("/v1/backups");
  expect(started).toMatchObject({ status: 202, body: { state: "running" } });
  return settled(backup, started.body.id, (view) => view.state !== "running");
}

export async function settled(
  backup: TestBackup,
  id: string,
  done: (view: BackupView) => boolean,
): Promise<BackupView> {
  const read = async () => (await backup.admin.get<BackupView>(`/v1/backups/${id}`)).body;
  await expect.poll(async () => done(await read()), { timeout: 20_000 }).toBe(true);
  return read();
}

/** Runs the restore job in this process, as the owner role, until nothing is asked for. */
export async function runJob(backup: TestBackup): Promise<{ done: number; failed: number }> {
  const pool = createPool({
    connectionString: backup.database.ownerUrl,
    applicationName: "restore-job",
    schema: "backup",
    max: 8,
  });
  const logger = createLogger({ service: "restore-job", level: "silent" });
  const { archiveDir, filesDir, auditDir, queue } = backup.context;
  const making = {
    archiveDir,
    filesDir,
    auditDir,
    queue,
    pool,
    copyPool: pool,
    keyring: backup.keyring,
    logger,
  };
  const makeBackup = (actor: Actor) => makeBackupNow(making, actor);
  try {
    return await runRestores({ ...making, makeBackup }, { attempts: 20, drainMs: 200 });
  } finally {
    await pool.end();
  }
}

/** Asks for a restore through the API, runs the job, and answers what came of it. */
export async function restore(backup: TestBackup, id: string): Promise<BackupView["restore"]> {
  const asked = await backup.admin.post<BackupView>(`/v1/backups/${id}/restore`);
  expect(asked).toMatchObject({ status: 202, body: { restore: { state: "requested" } } });
  await runJob(backup);
  return (await backup.admin.get<BackupView>(`/v1/backups/${id}`)).body.restore;
}

/** Runs the restore job as an installation does: in a process of its own. */
export function spawnJob(backup: TestBackup): ChildProcess {
  const script = fileURLToPath(new URL("../src/restore.job.ts", import.meta.url));
  return spawn(process.execPath, [script], {
    stdio: "ignore",
    env: {
      NODE_ENV: "test",
      MEDVAULT_OWNER_DATABASE_URL: backup.database.ownerUrl,
      MEDVAULT_KEYS_FILE: backup.keysFile,
      MEDVAULT_BACKUPS_DIR: backup.dirs.backups,
      MEDVAULT_FILES_DIR: backup.dirs.files,
      MEDVAULT_AUDIT_DIR: backup.dirs.audit,
      LOG_LEVEL: "silent",
    },
  });
}

/** Schemas that a restore made and that are not the live ones. */
export async function leftoverSchemasOf(backup: TestBackup): Promise<string[]> {
  const { rows } = await backup.pool.query<{ name: string }>(
    "select nspname as name from pg_namespace where nspname ~ '_[0-9]+$' and nspname !~ '^pg_'",
  );
  return rows.map((row) => row.name);
}

/** A patient with a care team and prescriptions, as ciphertext that only looks like it. */
export async function givenPatient(backup: TestBackup, prescriptions = 3) {
  const id = newId();
  const doctor = newId();
  const { records } = backup;
  await records.query("insert into subject_keys (subject_id, wrapped) values ($1, $2)", [
    id,
    randomBytes(102),
  ]);
  await records.query(
    `insert into patients (id, created_by, created_at, updated_at, rev, open, sealed)
     values ($1, $2, now(), now(), 1, '{}', $3)`,
    [id, doctor, randomBytes(300)],
  );
  await records.query(
    "insert into care_team (patient_id, user_id, added_by, added_at) values ($1, $2, $2, now())",
    [id, doctor],
  );
  for (let i = 0; i < prescriptions; i++) await givenPrescription(backup, id);
  return { id, doctor };
}

export async function givenPrescription(backup: { records: Db }, patientId: string): Promise<string> {
  const id = newId();
  await backup.records.query(
    `insert into prescriptions (id, patient_id, prescribed_by, status, start_date, created_at, updated_at,
                                rev, open, sealed)
     values ($1, $2, $2, 'active', '2026-01-31', now(), now(), 1, '{"a": null}', $3)`,
    [id, patientId, randomBytes(500)],
  );
  return id;
}

/** A write as the services make it: its effect, and its answer, once per key. */
export function onceByKey(
  pool: pg.Pool,
  keyring: Keyring,
  key: string,
  body: unknown,
  work: (tx: Tx) => Promise<string>,
) {
  const request = { actorId: "someone", key, method: "POST", path: "/v1/things", body };
  const effect = async (tx: Tx) => ({ status: 201, body: await work(tx) });
  return idempotent<string>(pool, keyring, request, effect, async () => {});
}

/** A stored file: a row, and a blob where the files service has it. */
export async function givenFile(
  backup: { files: Db; dirs: { files: string } },
  patientId: string,
  bytes = randomBytes(50_000),
) {
  const [id, blob] = [newId(), randomUUID()];
  const path = join(backup.dirs.files, "blobs", blob.slice(0, 2), blob);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  await backup.files.query(
    `insert into files (id, patient_id, content_type, size_bytes, state, uploaded_by, blob, blob_bytes, blob_sha256,
                        rev, open, sealed)
     values ($1, $2, 'text/plain', 10, 'stored', $2, $3, $4, $5, 1, '{}', $6)`,
    [id, patientId, blob, bytes.length, createHash("sha256").update(bytes).digest("hex"), randomBytes(200)],
  );
  return { id, path, bytes };
}

/** Everything in a table, as text, in a fixed order. */
async function contentOf(backup: TestBackup, service: "records" | "files", table: string): Promise<string[]> {
  const query = "select t::text as line from TABLE_NAME t order by 1".replace("TABLE_NAME", table);
  const { rows } = await backup[service].query<{ line: string }>(query);
  return rows.map((row) => row.line);
}

/** Everything that a restore puts back. */
export async function everything(backup: TestBackup): Promise<Record<string, string[]>> {
  const content: Record<string, string[]> = {};
  for (const table of ["patients", "care_team", "prescriptions", "medical_records", "claims"]) {
    content[table] = await contentOf(backup, "records", table);
  }
  content.files = await contentOf(backup, "files", "files");
  return content;
}

export async function flip(path: string, at = 100): Promise<void> {
  const bytes = await readFile(path);
  const place = Math.min(at, bytes.length - 1);
  bytes[place] = (bytes[place] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

export async function filesUnder(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
