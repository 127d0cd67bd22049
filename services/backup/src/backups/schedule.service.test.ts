import { execFileSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import type { BackupScheduleView, BackupView } from "@medvault/contracts";
import { actor, drainedEvents, signedIn } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  filesUnder,
  givenFile,
  givenPatient,
  makeBackup,
  runJob,
  settled,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";
import { applyRetention, beginDue } from "./schedule.service.ts";

const DAILY = { cron: "30 2 * * *", keepDaily: 7, keepWeekly: 4, keepMonthly: 12 };
const PATH = "/v1/backups/schedule";

let backup: TestBackup;
beforeEach(async () => {
  backup = await startBackup();
});
afterEach(() => backup?.stop());

const set = (body: object, headers: Record<string, string> = {}) =>
  backup.admin.put<BackupScheduleView>(PATH, body, { headers });
const listed = async () =>
  (await backup.admin.get<{ items: BackupView[] }>("/v1/backups?limit=100")).body.items;
/** As if that much time had gone by. */
const later = (interval: string) =>
  backup.asOwner(
    `update backup.schedule set due_from = due_from - interval '${interval}',
            verify_due_from = verify_due_from - interval '${interval}'`,
  );
const older = (id: string, days: number) =>
  backup.asOwner(`update backup.backups set created_at = now() - interval '${days} days' where id = '${id}'`);
const due = () => beginDue(backup.context, new Date());
const idle = () => backup.context.queue.run(async () => {});

test("a schedule is set, read with what is due next, and replaced only at the revision that was seen", async () => {
  const none = await backup.admin.get<BackupScheduleView>(PATH);
  expect(none).toMatchObject({ status: 200, body: { cron: null, nextAt: null, updatedAt: null } });
  await drainedEvents(backup.pool);
  const first = await set(DAILY, { "if-match": none.headers.get("etag") ?? "" });
  expect(first).toMatchObject({ status: 200, body: { ...DAILY, verifyCron: null, timeZone: "UTC" } });
  expect(first.body.nextAt).toMatch(/T02:30:00\.000Z$/);
  expect(first.headers.get("etag")).not.toBe(none.headers.get("etag"));
  expect(await set(DAILY, { "if-match": none.headers.get("etag") ?? "" })).toMatchObject({ status: 412 });
  expect((await backup.admin.get<BackupScheduleView>(PATH)).body).toEqual(first.body);
  const changes = (await drainedEvents(backup.pool)).filter(({ type }) => /changed/.test(type));
  expect(changes).toMatchObject([
    { subject: "backup-schedule", data: { actor: { id: backup.admin.actor.id }, details: DAILY } },
  ]);
});

test.each([
  [{ ...DAILY, cron: "every night" }, "cron"],
  [{ ...DAILY, cron: "* * * * *" }, "cron"],
  [{ ...DAILY, verifyCron: "0 0 31 2 *" }, "verifyCron"],
  [{ ...DAILY, timeZone: "Mars/Olympus" }, "timeZone"],
  [{ ...DAILY, keepDaily: -1 }, "keepDaily"],
  [{ ...DAILY, keepWeekly: 1.5 }, "keepWeekly"],
  [{ ...DAILY, keepYearly: 1 }, "keepYearly"],
  [{ keepDaily: 1 }, "cron"],
])("a schedule of %o is refused by name of the field, and the former stays", async (body, field) => {
  const refused = await set(body);
  expect(refused).toMatchObject({ status: 400, body: { code: "invalid_input" } });
  expect(JSON.stringify(refused.body)).toContain(field);
  expect((await backup.admin.get<BackupScheduleView>(PATH)).body.updatedAt).toBeNull();
});

test("only who may delete backups sets a schedule, freshly signed in", async () => {
  for (const role of ["doctor", "patient", "auditor"] as const)
    expect((await signedIn(backup.app, actor(role)).put(PATH, DAILY)).status).toBe(403);
  const stale = signedIn(backup.app, actor("admin", { authTime: Math.floor(Date.now() / 1000) - 3_600 }));
  expect(await stale.put(PATH, DAILY)).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  const key = { "idempotency-key": "a-schedule" };
  expect(await set(DAILY, key)).toMatchObject({ status: 200 });
  const again = await set(DAILY, key);
  expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
  expect(await set({ ...DAILY, keepDaily: 1 }, key)).toMatchObject({ status: 422 });
});

test("what is due is made once by however many processes, and what was missed for days is one", async () => {
  await givenPatient(backup);
  await due();
  await set(DAILY);
  await due();
  expect(await listed()).toEqual([]);
  await later("3 days");
  await drainedEvents(backup.pool);
  await Promise.all([due(), due(), due(), due()]);
  await idle();
  const [made, ...more] = await listed();
  expect([made, more]).toMatchObject([
    { state: "complete", scheduled: true, stage: null, percent: null },
    [],
  ]);
  await due();
  await idle();
  expect(await listed()).toHaveLength(1);
  const events = (await drainedEvents(backup.pool)).filter(({ type }) => !/listed/.test(type));
  expect(events.map(({ type, data }) => [type, data.actor])).toEqual([
    ["medvault.backup.backup.requested.v1", null],
    ["medvault.backup.backup.created.v1", null],
  ]);
});

test("a backup that failed is due again after a quarter of an hour; one that was cancelled is not", async () => {
  await set(DAILY);
  await later("1 day");
  await backup.asOwner("revoke select on records.patients from medvault_backup");
  await due();
  await idle();
  expect(await listed()).toMatchObject([{ state: "failed", scheduled: true }]);
  await backup.asOwner("grant select on records.patients to medvault_backup");
  await due();
  await idle();
  expect(await listed()).toHaveLength(1);
  const { nextAt } = (await backup.admin.get<BackupScheduleView>(PATH)).body;
  expect(Date.parse(nextAt ?? "") - Date.now()).toBeGreaterThan(10 * 60_000);
  await beginDue(backup.context, new Date(Date.now() + 16 * 60_000));
  await idle();
  expect(await listed()).toMatchObject([{ state: "complete" }, { state: "failed" }]);

  for (const { id } of await listed()) await older(id, 2);
  await later("1 day");
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const block = backup.context.queue.run(() => released);
  await due();
  const [waiting] = await listed();
  expect(await backup.admin.post(`/v1/backups/${waiting?.id}/cancel`)).toMatchObject({ status: 202 });
  release();
  await block;
  await idle();
  expect((await listed())[0]).toMatchObject({ id: waiting?.id, state: "failed", error: "cancelled" });
  await due();
  await idle();
  expect(await listed()).toHaveLength(3);
});

test("nothing is due while a restore waits, and it is made up for afterwards", async () => {
  const { id } = await makeBackup(backup);
  await set({ ...DAILY, verifyCron: "0 4 * * *" });
  await later("1 day");
  expect((await backup.admin.post(`/v1/backups/${id}/restore`)).status).toBe(202);
  await due();
  await idle();
  expect(await listed()).toMatchObject([{ id, verification: null }]);
  await runJob(backup);
  await due();
  await idle();
  expect((await listed()).filter(({ scheduled }) => scheduled)).toMatchObject([{ state: "complete" }]);
});

test("the newest is verified when that is due; what is found is on it", async () => {
  await set({ cron: null, verifyCron: "0 4 * * *" });
  await later("1 day");
  await due(); // there is none yet
  await makeBackup(backup);
  const { id } = await makeBackup(backup);
  await Promise.all([due(), due()]);
  await idle();
  expect(await listed()).toMatchObject([{ id, verification: { state: "passed" } }, { verification: null }]);
  await drainedEvents(backup.pool);
  await due();
  await idle();
  expect((await drainedEvents(backup.pool)).filter(({ type }) => /verif/.test(type))).toEqual([]);
});

test("retention deletes what the schedule made and does not keep, with an event, and no other", async () => {
  await givenFile(backup, (await givenPatient(backup)).id);
  const byHand = await makeBackup(backup);
  await older(byHand.id, 400);
  await set({ cron: "30 2 * * *" });
  const made: string[] = [];
  for (const days of [30, 20, 10, 0]) {
    await later("1 day");
    await due();
    await idle();
    const [newest] = await listed();
    made.push(newest?.id ?? "");
    await older(newest?.id ?? "", days);
  }
  await applyRetention(backup.context);
  expect(await listed()).toHaveLength(5);

  await set({ cron: "30 2 * * *", keepDaily: 2 });
  await backup.admin.post(`/v1/backups/${made[3]}/restore`);
  await applyRetention(backup.context);
  expect(await listed()).toHaveLength(5); // a restore waits
  await runJob(backup);
  await drainedEvents(backup.pool);
  await Promise.all([applyRetention(backup.context), applyRetention(backup.context)]);
  const kept = (await listed()).filter(({ error }) => error === null).map(({ id }) => id);
  expect(kept).toEqual(expect.arrayContaining([made[2], made[3], byHand.id]));
  expect(kept).not.toEqual(expect.arrayContaining([made[0]]));
  expect(kept).not.toEqual(expect.arrayContaining([made[1]]));
  const deleted = (await drainedEvents(backup.pool)).filter(({ type }) => /deleted/.test(type));
  expect(deleted.map(({ subject, data }) => [subject, data.actor, data.details?.by]).sort()).toEqual(
    [made[0], made[1]].map((id) => [`backup/${id}`, null, "retention"]).sort(),
  );
  // What is left verifies: its blobs were shared with those that are gone.
  expect((await backup.admin.post(`/v1/backups/${made[2]}/verify`)).status).toBe(202);
  const view = await settled(backup, made[2] ?? "", ({ verification }) => verification?.state !== "running");
  expect(view.verification).toMatchObject({ state: "passed" });
});

test("a backup that is not under way cannot be cancelled; one of nobody is not found", async () => {
  const { id } = await makeBackup(backup);
  expect(await backup.admin.post(`/v1/backups/${id}/cancel`)).toMatchObject({
    ...{ status: 409, body: { code: "backup_not_running" } },
  });
  const unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
  expect(await backup.admin.post(`/v1/backups/${unknown}/cancel`)).toMatchObject({ status: 404 });
  const doctor = signedIn(backup.app, actor("doctor"));
  expect(await doctor.post(`/v1/backups/${id}/cancel`)).toMatchObject({ status: 403 });
});

test("a backup that is under way says how far it is, and ends within seconds once it is cancelled", async () => {
  const { path } = await givenFile(backup, (await givenPatient(backup)).id);
  await rm(path);
  execFileSync("/usr/bin/mkfifo", [path]); // whoever reads it waits for somebody who writes
  const { body } = await backup.admin.post<BackupView>("/v1/backups");
  const under = await settled(backup, body.id, ({ stage }) => stage !== null);
  expect(under).toMatchObject({ state: "running", stage: "files" });
  expect(under.percent).toBeGreaterThan(0);
  expect((await backup.admin.post(`/v1/backups/${body.id}/cancel`)).status).toBe(202);
  const seen = "select heartbeat_at > cancelled_at as seen from backups where id = $1";
  const isSeen = async () => (await backup.pool.query(seen, [body.id])).rows[0]?.seen;
  await expect.poll(isSeen, { timeout: 20_000 }).toBe(true);
  await writeFile(path, "too few bytes");
  const ended = await settled(backup, body.id, ({ state }) => state !== "running");
  expect(ended).toMatchObject({ state: "failed", error: "cancelled", stage: null, percent: null });
  await idle();
  expect(await filesUnder(backup.dirs.backups)).toEqual([]);
  await rm(path);
  expect(await makeBackup(backup)).toMatchObject({ state: "complete", scheduled: false });
});
