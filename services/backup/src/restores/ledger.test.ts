import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SignedErasure } from "@medvault/crypto";
import { inTransaction } from "@medvault/postgres";
import { drainedEvents } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  givenFile,
  givenPatient,
  makeBackup,
  restore,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";
import { TestLedger } from "../../test/ledger.ts";
import { keepErasures } from "../erasures/erasure.consumers.ts";

let backup: TestBackup;
let ledger: TestLedger;
beforeEach(async () => {
  backup = await startBackup();
  ledger = new TestLedger();
});
afterEach(() => backup?.stop());

const tell = (...entries: SignedErasure[]) =>
  inTransaction(backup.pool, (tx) =>
    keepErasures(
      backup.context,
      entries.map((entry) => ledger.event(entry)),
      tx,
    ),
  );
const patients = async () =>
  (await backup.records.query<{ id: string }>("select id from patients order by id")).rows.map(
    ({ id }) => id,
  );
const files = async () =>
  (await backup.files.query<{ of: string }>("select patient_id as of from files")).rows.map(({ of }) => of);
const keys = async () =>
  (await backup.records.query<{ id: string }>("select subject_id as id from subject_keys")).rows.map(
    ({ id }) => id,
  );

test("a restore of an older backup brings back nothing of who was erased since, also before every service has done its part", async () => {
  const [gone, stays] = [await givenPatient(backup), await givenPatient(backup)];
  await givenFile(backup, gone.id);
  await givenFile(backup, stays.id);
  const { id } = await makeBackup(backup);
  await ledger.erase(backup, gone.id);
  for (const time of [1, 2]) {
    expect((await restore(backup, id))?.state, String(time)).toBe("complete");
    expect([await patients(), await files(), await keys()]).toEqual([[stays.id], [stays.id], [stays.id]]);
  }
});

test("entries are kept in the database, in the directory and in the next manifest, and confirmed", async () => {
  const first = await ledger.erase(backup, (await givenPatient(backup)).id);
  const second = await ledger.erase(backup, (await givenPatient(backup)).id);
  await drainedEvents(backup.pool);
  // In any order, and as often as they come.
  await tell(second, first, second);
  const told = await drainedEvents(backup.pool);
  expect(told.map(({ type, data }) => [type, data.details?.number])).toEqual(
    [2, 1, 2].map((number) => ["medvault.backup.erasure.confirmed.v1", number]),
  );
  const { id } = await makeBackup(backup);
  expect((await restore(backup, id))?.state).toBe("complete");
  await backup.asOwner("delete from records_sys.erasure_ledger where number = 2");
  await rm(join(backup.dirs.backups, "erasure-ledger"), { recursive: true });
  expect(await restore(backup, id)).toMatchObject({ state: "failed", error: "erasure_ledger_short" });
});

test("threat: an entry that records did not sign, or another one of a number that is taken, is kept", async () => {
  const entry = await ledger.erase(backup, (await givenPatient(backup)).id);
  const [forged] = [{ ...entry, erasedAt: new Date(0).toISOString() }];
  await expect(tell(forged)).rejects.toThrow();
  await tell(entry);
  const other = new TestLedger().next((await givenPatient(backup)).id);
  await expect(tell(other)).rejects.toThrow();
});

test("threat: the ledger was cut, emptied or rewritten before a restore, so that the erased come back", async () => {
  const [one, two] = [await givenPatient(backup), await givenPatient(backup)];
  const { id } = await makeBackup(backup);
  await tell(await ledger.erase(backup, one.id), await ledger.erase(backup, two.id));
  const live = await backup.records.query("select * from erasure_ledger order by number");
  const broken: [statement: string, error: string][] = [
    ["delete from records_sys.erasure_ledger where number = 2", "erasure_ledger_short"],
    ["delete from records_sys.erasure_ledger", "erasure_ledger_short"],
    ["delete from records_sys.erasure_ledger where number = 1", "erasure_ledger_damaged"],
    [
      `update records_sys.erasure_ledger set patient_ids = array['${crypto.randomUUID()}'::uuid] where number = 2`,
      "erasure_ledger_damaged",
    ],
    ["update records_sys.erasure_ledger set erased_at = now() where number = 1", "erasure_ledger_damaged"],
  ];
  for (const [statement, error] of broken) {
    await backup.asOwner(statement);
    expect([statement, await restore(backup, id)]).toMatchObject([statement, { state: "failed", error }]);
    expect(await patients()).toEqual([]);
    await backup.asOwner("delete from records_sys.erasure_ledger");
    for (const row of live.rows) {
      await backup.records.query(
        "insert into erasure_ledger select * from json_populate_record(null::erasure_ledger, $1)",
        [JSON.stringify({ ...row, signature: `\\x${row.signature.toString("hex")}` })],
      );
    }
  }
  // A key of one's own signs another ledger just as well: it is not records'.
  const forger = new TestLedger();
  await backup.asOwner("delete from records_sys.erasure_ledger; delete from backup_sys.erasures");
  await rm(join(backup.dirs.backups, "erasure-ledger"), { recursive: true });
  await forger.erase(backup, crypto.randomUUID());
  expect(await restore(backup, id)).toMatchObject({ state: "failed", error: "erasure_ledger_damaged" });
});

test("threat: the audit log knows of an erasure that the ledger does not have", async () => {
  const gone = await givenPatient(backup);
  const { id } = await makeBackup(backup);
  await ledger.erase(backup, gone.id);
  await backup.asOwner(
    `create table audit.log (type text, outcome text);
     insert into audit.log values ('medvault.records.patient.erased.v1', 'success'), ('medvault.records.patient.erased.v1', 'denied')`,
  );
  expect((await restore(backup, id))?.state).toBe("complete");
  await backup.asOwner("insert into audit.log values ('medvault.records.patient.erased.v1', 'success')");
  expect(await restore(backup, id)).toMatchObject({ state: "failed", error: "erasure_ledger_short" });
});

test("a copy that cannot be read stops a restore; an older manifest, which names no entry, does not", async () => {
  const { id } = await makeBackup(backup);
  await tell(await ledger.erase(backup, (await givenPatient(backup)).id));
  expect((await restore(backup, id))?.state).toBe("complete");
  await writeFile(join(backup.dirs.backups, "erasure-ledger", "0000000001.json"), "{}");
  expect(await restore(backup, id)).toMatchObject({ state: "failed", error: "erasure_ledger_damaged" });
});
