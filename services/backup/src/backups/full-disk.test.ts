import { randomBytes } from "node:crypto";
import type { BackupView } from "@medvault/contracts";
import { givenDisk } from "@medvault/testing";
import { expect, onTestFinished, test } from "vitest";
import { filesUnder, givenFile, givenPatient, makeBackup, startBackup } from "../../test/harness.ts";

test("a full store refuses a backup, fails one that it cannot hold, leaves nothing of it, and heals", async (frame) => {
  const backup = await startBackup();
  onTestFinished(() => backup.stop());
  const disk = givenDisk(frame, 1, backup.dirs.backups);
  const { id: patientId } = await givenPatient(backup);
  await givenFile(backup, patientId, randomBytes(2 * 1024 * 1024)); // more than the disk has
  const ready = async () => (await (await fetch(`${backup.url}/readyz`)).json()) as { checks: object };

  disk.fill();
  const refused = await backup.admin.post<{ code: string }>("/v1/backups");
  expect(refused).toMatchObject({ status: 503, body: { code: "storage_full" } });
  expect(refused.headers.get("retry-after")).toBe("10");
  expect((await ready()).checks).toMatchObject({ store: "degraded" });
  const listed = await backup.admin.get<{ items: BackupView[] }>("/v1/backups");
  expect(listed.body.items).toEqual([]);

  disk.free();
  expect(await makeBackup(backup)).toMatchObject({ state: "failed", error: "disk_full" });
  await expect.poll(async () => filesUnder(disk.dir)).toEqual([]);

  await backup.files.query("delete from files");
  expect(await makeBackup(backup)).toMatchObject({ state: "complete" });
  expect((await ready()).checks).toMatchObject({ store: "ok" });
});
