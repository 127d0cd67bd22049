import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { SignedErasure } from "@medvault/crypto";
import { inTransaction, RestoreInProgress } from "@medvault/postgres";
import { drainedEvents } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
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
import { TestLedger } from "../../test/ledger.ts";
import { keepErasures } from "../erasures/erasure.consumers.ts";

let backup: TestBackup;
let ledger: TestLedger;
let gone: string;
let stays: string;
beforeEach(async () => {
  backup = await startBackup();
  ledger = new TestLedger();
  gone = (await givenPatient(backup)).id;
  stays = (await givenPatient(backup)).id;
  for (const id of [gone, stays]) await givenFile(backup, id);
});
afterEach(() => backup?.stop());

/** Whose rows and keys there are. */
const whose = async () => {
  const { rows } = await backup.records.query<{ id: string }>(
    `select id from patients union select patient_id from prescriptions union select patient_id from care_team
     union select subject_id from subject_keys`,
  );
  return rows.map(({ id }) => id).toSorted();
};
const filesOf = async () =>
  (await backup.files.query<{ of: string }>("select patient_id as of from files")).rows.map(({ of }) => of);
const tell = (entry: SignedErasure) =>
  inTransaction(backup.pool, (tx) => keepErasures(backup.context, [ledger.event(entry)], tx));
/** As records does its part, all of it or nothing. */
const erase = (entry: SignedErasure) => inTransaction(backup.records, (tx) => ledger.write(tx, entry));
const isWaiting = async (table: string, mode: string) => {
  const { rows } = await backup.pool.query<{ count: number }>(
    `select count(*)::int as count from pg_locks l join pg_class c on c.oid = l.relation
      where c.relname = $1 and l.mode = $2 and not l.granted`,
    [table, mode],
  );
  return rows[0]?.count !== 0;
};
const askForRestore = async (id: string) => {
  await backup.admin.post(`/v1/backups/${id}/restore`);
  return runJob(backup);
};

test.each([
  ["and backup was told of it while it ran", true],
  ["and backup has not been told yet", false],
])("a backup that runs while a patient is erased brings nothing of them back, %s", async (_, isTold) => {
  const holder = await backup.files.connect();
  await holder.query("begin");
  await holder.query("lock table files in access exclusive mode");
  const making = makeBackup(backup);
  await expect.poll(() => isWaiting("files", "AccessShareLock")).toBe(true); // its snapshot is taken
  const entry = ledger.next(gone);
  await erase(entry);
  if (isTold) await tell(entry);
  await holder.query("commit");
  holder.release();
  const { id, state } = await making;
  expect(state).toBe("complete");

  await drainedEvents(backup.pool);
  expect((await restore(backup, id))?.state).toBe("complete");
  const restored = (await drainedEvents(backup.pool)).find(({ type }) => type.endsWith("restored.v1"));
  expect(restored?.data.details?.rowsErased).toBeGreaterThan(0); // so they were in it
  expect([await whose(), await filesOf()]).toEqual([[stays], [stays]]);

  // A ledger that was cut since is noticed by the manifest alone, where the entry is in it.
  if (!isTold) return;
  await backup.asOwner("delete from records_sys.erasure_ledger; delete from backup_sys.erasures");
  await rm(join(backup.dirs.backups, "erasure-ledger"), { recursive: true });
  expect(await restore(backup, id)).toMatchObject({ state: "failed", error: "erasure_ledger_short" });
});

test("an erasure that comes while a restore waits for its fence is obeyed by that restore", async () => {
  const { id } = await makeBackup(backup);
  const slow = await backup.records.connect();
  await slow.query("begin");
  await givenPrescription({ records: slow }, stays);
  const job = askForRestore(id);
  await expect.poll(() => isWaiting("prescriptions", "ShareRowExclusiveLock")).toBe(true);
  await erase(ledger.next(gone));
  await slow.query("commit");
  slow.release();
  expect(await job).toEqual({ done: 1, failed: 0 });
  expect([await whose(), await filesOf()]).toEqual([[stays], [stays]]);
});

test("an erasure that has begun when a restore comes is waited for, and obeyed", async () => {
  const { id } = await makeBackup(backup);
  const erasing = await backup.records.connect();
  await erasing.query("begin");
  await ledger.write(erasing, ledger.next(gone));
  const job = askForRestore(id);
  await expect.poll(() => isWaiting("patients", "ShareRowExclusiveLock")).toBe(true);
  await erasing.query("commit");
  erasing.release();
  expect(await job).toEqual({ done: 1, failed: 0 });
  expect([await whose(), await filesOf()]).toEqual([[stays], [stays]]);
});

test("threat: an erasure is acknowledged behind a restore's fence, and undone by its swap", async () => {
  const { id } = await makeBackup(backup);
  const reader = await backup.records.connect();
  await reader.query("begin");
  await reader.query("select from patients"); // keeps the swap from coming
  const job = askForRestore(id);
  await expect.poll(() => leftoverSchemasOf(backup)).toContain("files_keys_1");
  const entry = ledger.next(gone);
  await expect(erase(entry)).rejects.toThrow(RestoreInProgress);
  await reader.query("commit");
  reader.release();
  expect(await job).toEqual({ done: 1, failed: 0 });
  const { rowCount } = await backup.records.query("select from erasure_ledger");
  expect([rowCount, await whose()]).toEqual([0, [gone, stays].toSorted()]); // nothing was begun
  // Sent again, as the 503 says, it holds for good.
  await erase(entry);
  for (const time of [1, 2]) {
    expect((await restore(backup, id))?.state, String(time)).toBe("complete");
    expect([await whose(), await filesOf()]).toEqual([[stays], [stays]]);
  }
});
