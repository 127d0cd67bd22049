import { once } from "node:events";
import type { BackupView } from "@medvault/contracts";
import { inTransaction, RestoreInProgress, type Tx } from "@medvault/postgres";
import { testKeyring } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  everything,
  givenFile,
  givenPatient,
  givenPrescription,
  leftoverSchemasOf,
  makeBackup,
  onceByKey,
  restore,
  runJob,
  spawnJob,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";
import { recoverBackups } from "../backups/backup.jobs.ts";

let backup: TestBackup;
beforeEach(async () => {
  backup = await startBackup();
});
afterEach(() => backup?.stop());

const recordsKeyring = await testKeyring("records");
const refused = (error: unknown): null => {
  if (error instanceof RestoreInProgress) return null;
  throw error;
};

/** Calls `write` until stopped; keeps what was acknowledged before and since the first refusal. */
function writers(writes: readonly (() => Promise<string>)[]) {
  const acknowledged = { before: [] as string[], since: [] as string[], refusals: 0 };
  let stopped = false;
  const done = writes.map(async (write) => {
    while (!stopped) {
      const isSince = acknowledged.refusals > 0;
      const id = await write().catch(refused);
      if (id === null) acknowledged.refusals += 1;
      else acknowledged[isSince ? "since" : "before"].push(id);
    }
  });
  return {
    acknowledged,
    async stop() {
      stopped = true;
      await Promise.all(done);
    },
  };
}

test("threat: no write that is acknowledged once a restore has begun to copy is lost, whatever way it comes", async () => {
  const patient = await givenPatient(backup, 200);
  const { id } = await makeBackup(backup);
  const prescribe = (tx: Tx) => givenPrescription({ records: tx }, patient.id);
  const pool = backup.records;
  // As records does it: the patient's row is held first, then something of theirs is written.
  const inOrder = () =>
    inTransaction(pool, async (tx) => {
      await tx.query("select from patients where id = $1 for key share", [patient.id]);
      return prescribe(tx);
    });
  // The other way round, which a restore must get past all the same.
  const backwards = () =>
    inTransaction(pool, async (tx) => {
      const made = await prescribe(tx);
      await tx.query("select from care_team where patient_id = $1", [patient.id]);
      return made;
    });
  let n = 0;
  const keyed = async () => {
    n += 1;
    return (await onceByKey(pool, recordsKeyring, `key-${n}`, {}, prescribe)).body;
  };
  const file = async () => (await givenFile(backup, patient.id, Buffer.from("a scan"))).id;
  const { acknowledged, stop } = writers([inOrder, backwards, keyed, file]);

  expect((await restore(backup, id))?.state).toBe("complete");
  const total = () => acknowledged.since.length;
  const soFar = total();
  await expect.poll(total).toBeGreaterThan(soFar + 20);
  await stop();

  expect(acknowledged.before.length).toBeGreaterThan(0);
  expect(acknowledged.refusals).toBeGreaterThan(5);
  const rows = await pool.query<{ id: string }>("select id from prescriptions");
  const files = await backup.files.query<{ id: string }>("select id from files");
  const there = new Set([...rows.rows, ...files.rows].map((row) => row.id));
  expect(acknowledged.since.filter((made) => !there.has(made))).toEqual([]);
});

test("threat: a transaction that has written when the restore comes is waited for, not acknowledged into nothing", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const slow = await backup.records.connect();
  await slow.query("begin");
  await givenPrescription({ records: slow }, patient.id);
  await backup.admin.post(`/v1/backups/${id}/restore`);
  const job = runJob(backup);
  const waiting = `select count(*)::int as count from pg_locks l join pg_class c on c.oid = l.relation
                    where c.relname = 'prescriptions' and l.mode = 'ShareRowExclusiveLock' and not l.granted`;
  await expect
    .poll(async () => (await backup.pool.query<{ count: number }>(waiting)).rows[0]?.count)
    .toBeGreaterThan(0);
  expect(await leftoverSchemasOf(backup)).toEqual([]); // nothing is copied yet
  await slow.query("commit");
  slow.release();
  expect(await job).toEqual({ done: 1, failed: 0 });
});

test("reads go on while writes are refused, and a refusal says when to come again", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const reader = await backup.records.connect();
  await reader.query("begin");
  await reader.query("select from patients"); // keeps the swap from coming
  await backup.admin.post(`/v1/backups/${id}/restore`);
  const job = runJob(backup);
  const write = () => givenPrescription(backup, patient.id);
  await expect
    .poll(() =>
      write().then(
        () => "written",
        (error: unknown) => error,
      ),
    )
    .toMatchObject({
      code: "restore_in_progress",
      kind: "unavailable",
      retryAfterSeconds: 5,
    });
  const read = await backup.records.query("select from prescriptions");
  expect(read.rowCount).toBeGreaterThan(0);
  await reader.query("commit");
  reader.release();
  expect(await job).toEqual({ done: 1, failed: 0 });
  await write();
});

test("the fence is before every table that a restore replaces, and before the answers of its writes", async () => {
  const { id } = await makeBackup(backup);
  const reader = await backup.records.connect();
  await reader.query("begin");
  await reader.query("select from patients");
  await backup.admin.post(`/v1/backups/${id}/restore`);
  const job = runJob(backup);
  const tables = (condition: string) =>
    backup.pool
      .query<{ name: string }>(
        `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'schema_migrations'
            and (n.nspname in ('records', 'files')
                 or (n.nspname in ('records_sys', 'files_sys') and c.relname = 'idempotency_keys'))
            and ${condition} order by 1`,
      )
      .then(({ rows }) => rows.map((row) => row.name));
  const fencedOnes = () =>
    tables("exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'restore_1')");
  await expect.poll(fencedOnes).toEqual(await tables("true"));
  expect((await fencedOnes()).length).toBeGreaterThan(10);
  await reader.query("commit");
  reader.release();
  await job;
  expect(await fencedOnes()).toEqual([]);
});

test("a restore whose fence fell, as with its connection, changes nothing", async () => {
  const patient = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  const made = await givenPrescription(backup, patient.id);
  const reader = await backup.records.connect();
  await reader.query("begin");
  await reader.query("select from patients");
  await backup.admin.post(`/v1/backups/${id}/restore`);
  const job = runJob(backup);
  await expect.poll(() => leftoverSchemasOf(backup)).toContain("files_keys_1");
  await backup.asOwner(
    `select pg_terminate_backend(pid) from pg_locks
      where locktype = 'advisory' and classid = 7102312 and mode = 'ExclusiveLock'
        and database = (select oid from pg_database where datname = current_database())`,
  );
  const late = await givenPrescription(backup, patient.id);
  await reader.query("commit");
  reader.release();
  expect(await job).toEqual({ done: 0, failed: 1 });
  const view = (await backup.admin.get<BackupView>(`/v1/backups/${id}`)).body;
  expect(view.restore).toMatchObject({ state: "failed", error: "fence_lost" });
  const { rows } = await backup.records.query<{ id: string }>("select id from prescriptions");
  expect(rows.map((row) => row.id)).toEqual(expect.arrayContaining([made, late]));
});

/** Where a job can be killed, by what shows that it has come so far. */
const STAGES = {
  fenced: "select from pg_trigger where tgname = 'restore_1'",
  built: "select from pg_namespace where nspname = 'files_keys_1'",
  "making the safety backup": "select from backups where state = 'running'",
  counted: "select from restores where changes is not null",
  swapped: "select from restores where state = 'complete'",
};

test.each(Object.entries(STAGES))(
  "a restore that is killed once it has %s leaves the data wholly old or wholly new, and refuses no write",
  async (stage, shows) => {
    const patient = await givenPatient(backup);
    await givenFile(backup, patient.id);
    const restored = await everything(backup);
    const { id } = await makeBackup(backup);
    await backup.records.query("update patients set rev = 9 where id = $1", [patient.id]);
    await backup.files.query("delete from files");
    const live = await everything(backup);
    await backup.admin.post(`/v1/backups/${id}/restore`);
    const job = spawnJob(backup);
    const hasCome = async () => (await backup.pool.query(shows)).rowCount !== 0;
    await expect.poll(hasCome, { timeout: 30_000, interval: 2 }).toBe(true);
    job.kill("SIGKILL");
    await once(job, "exit");

    const after = await everything(backup);
    expect([live, restored]).toContainEqual(after);
    if (stage === "swapped") expect(after).toEqual(restored);
    if (stage === "fenced") expect(after).toEqual(live);
    // At once, or when Postgres has ended the statement whose answer nobody waits for any more.
    const write = () => givenPrescription(backup, patient.id).then(() => "written", refused);
    await expect.poll(write).toBe("written");
    const written = await everything(backup);

    expect(await runJob(backup)).toEqual({ done: 0, failed: 0 });
    await recoverBackups(backup.context);
    const view = (await backup.admin.get<BackupView>(`/v1/backups/${id}`)).body;
    expect(view.restore?.state).toBe(after.files?.length === 0 ? "failed" : "complete");
    expect(await leftoverSchemasOf(backup)).toEqual([]);
    expect((await backup.pool.query("select from pg_trigger where tgname ~ '^restore_'")).rowCount).toBe(0);
    expect(await everything(backup)).toEqual(written);
    expect((await restore(backup, id))?.state).toBe("complete");
    expect(await everything(backup)).toEqual(restored);
  },
  60_000,
);
