import { testKeyring } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  givenFile,
  givenPatient,
  givenPrescription,
  makeBackup,
  onceByKey,
  restore,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";

let backup: TestBackup;
let patientId: string;
beforeEach(async () => {
  backup = await startBackup();
  patientId = (await givenPatient(backup)).id;
});
afterEach(() => backup?.stop());

const keyrings = { records: await testKeyring("records"), files: await testKeyring("files") };

/** A write as the services make it: its effect and its answer, once per key. */
function write(key: string, service: "records" | "files" = "records", body: unknown = { n: 1 }) {
  return onceByKey(backup[service], keyrings[service], key, body, async (tx) =>
    service === "records"
      ? givenPrescription({ records: tx }, patientId)
      : (await givenFile({ ...backup, files: tx }, patientId)).id,
  );
}

async function isThere(id: string, service: "records" | "files" = "records"): Promise<boolean> {
  const query =
    service === "records" ? "select from prescriptions where id = $1" : "select from files where id = $1";
  return (await backup[service].query(query, [id])).rowCount === 1;
}

const restored = async (id: string) => expect((await restore(backup, id))?.state).toBe("complete");

test.each(["records", "files"] as const)(
  "threat: after a restore a repeated write to %s is acknowledged and not there",
  async (service) => {
    const before = await write("before", service);
    const { id } = await makeBackup(backup);
    const undone = await write("undone", service);
    await restored(id);

    expect(await write("before", service)).toEqual({ ...before, replayed: true });
    expect(await isThere(before.body, service)).toBe(true);
    const again = await write("undone", service);
    expect(again).toMatchObject({ status: 201, replayed: false });
    expect(again.body).not.toBe(undone.body);
    expect(await isThere(again.body, service)).toBe(true);
    // And that one once.
    expect(await write("undone", service)).toEqual({ ...again, replayed: true });
  },
);

test("the key of a write that a restore undid is free for another body, that of one that stands is not", async () => {
  await write("before");
  const { id } = await makeBackup(backup);
  await write("undone");
  await restored(id);
  expect((await write("undone", "records", { n: 2 })).replayed).toBe(false);
  await expect(write("before", "records", { n: 2 })).rejects.toMatchObject({
    code: "idempotency_key_reused",
  });
});

test("a write that was in flight while the backup was begun counts by its commit, not by its time", async () => {
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const slow = onceByKey(backup.records, keyrings.records, "in-flight", { n: 1 }, async (tx) => {
    const id = await givenPrescription({ records: tx }, patientId);
    started.resolve();
    await go.promise;
    return id;
  });
  await started.promise;
  const { id } = await makeBackup(backup); // without it, though it began before
  go.resolve();
  expect(await isThere((await slow).body)).toBe(true);
  await restored(id);
  expect(await isThere((await slow).body)).toBe(false);
  const again = await write("in-flight");
  expect([again.replayed, await isThere(again.body)]).toEqual([false, true]);
});

test("what a second restore brings back, answers again; what only the first held is gone again", async () => {
  const early = await makeBackup(backup);
  const between = await write("between");
  const late = await makeBackup(backup);
  await restored(early.id);
  const middle = await makeBackup(backup); // after the first restore: without the write
  await restored(late.id);
  expect(await write("between")).toEqual({ ...between, replayed: true });
  expect(await isThere(between.body)).toBe(true);
  await restored(middle.id);
  expect(await isThere(between.body)).toBe(false);
  expect((await write("between")).replayed).toBe(false);
});

test("a backup of another server says nothing of this one's transactions: no answer of before is given again", async () => {
  await write("before");
  const { id } = await makeBackup(backup);
  await restored(id);
  expect((await write("before")).replayed).toBe(true);
  await backup.asOwner("update records_sys.rewinds set backup = null");
  expect((await write("before")).replayed).toBe(false);
});
