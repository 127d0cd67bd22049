import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { BackupView } from "@medvault/contracts";
import { EXIT } from "@medvault/service-kit";
import { drainedEvents } from "@medvault/testing";
import { expect, onTestFinished, test } from "vitest";
import {
  filesUnder,
  flip,
  givenFile,
  givenPatient,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";

const script = fileURLToPath(new URL("../backup.job.ts", import.meta.url));

/** The job as a schedule starts it: a process of its own, with the service's role and key. */
async function runJob(backup: TestBackup, ...args: string[]): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      NODE_ENV: "test",
      DATABASE_URL: backup.database.url("backup"),
      MEDVAULT_KEYS_FILE: backup.keysFile,
      MEDVAULT_BACKUPS_DIR: backup.dirs.backups,
      MEDVAULT_FILES_DIR: backup.dirs.files,
      MEDVAULT_AUDIT_DIR: backup.dirs.audit,
    },
  });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  return { code, said };
}

async function newest(backup: TestBackup): Promise<BackupView | undefined> {
  return (await backup.admin.get<{ items: BackupView[] }>("/v1/backups?limit=1")).body.items[0];
}

test("a schedule's job makes a backup and verifies it, in nobody's name; a damaged one fails it", async () => {
  const backup = await startBackup();
  onTestFinished(() => backup.stop());
  const { id: patientId } = await givenPatient(backup);
  await givenFile(backup, patientId);
  expect(await runJob(backup, "verify")).toMatchObject({
    code: 1,
    said: expect.stringContaining("not_found"),
  });
  await drainedEvents(backup.pool);

  expect(await runJob(backup)).toMatchObject({ code: 0 });
  const made = await newest(backup);
  expect(made).toMatchObject({ state: "complete", contents: { files: 1 }, verification: null });
  expect(await runJob(backup, "verify")).toMatchObject({ code: 0 });
  expect(await newest(backup)).toMatchObject({
    id: made?.id,
    verification: { state: "passed", error: null },
  });
  const events = (await drainedEvents(backup.pool)).filter(({ type }) => !/listed/.test(type));
  expect(events.map(({ type, data }) => [type.split(".")[3], data.actor])).toEqual(
    ["requested", "created", "verify_requested", "verified"].map((verb) => [verb, null]),
  );

  const [part] = await filesUnder(join(backup.dirs.backups, made?.id ?? "", "parts"));
  await flip(part ?? "");
  const failed = await runJob(backup, "verify");
  expect(failed).toMatchObject({ code: 1, said: expect.stringContaining("part_damaged") });
  expect(await newest(backup)).toMatchObject({ verification: { state: "failed", error: "part_damaged" } });
});

test("a schedule's job does nothing while a restore waits, and ends for a word that it does not know", async () => {
  const backup = await startBackup();
  onTestFinished(() => backup.stop());
  await runJob(backup, "make");
  const made = await newest(backup);
  expect((await backup.admin.post(`/v1/backups/${made?.id}/restore`)).status).toBe(202);
  const refused = await runJob(backup, "make");
  expect(refused).toMatchObject({ code: 1, said: expect.stringContaining("restore_running") });
  expect(await runJob(backup, "delete")).toMatchObject({ code: EXIT.usage });
  expect(await newest(backup)).toMatchObject({ id: made?.id });
});
