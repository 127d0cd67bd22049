import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BackupView, newId } from "@medvault/contracts";
import { createKeyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { actor, drainedEvents, metricOf, signedIn } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  filesUnder,
  flip,
  givenFile,
  givenPatient,
  makeBackup,
  settled,
  startBackup,
  type TestBackup,
} from "../../test/harness.ts";
import { checkBackup } from "../archive/check.service.ts";
import { openBackup } from "../archive/manifest.store.ts";
import { WorkQueue } from "../work/queue.ts";
import { recoverBackups } from "./backup.jobs.ts";

let backup: TestBackup;

beforeAll(async () => {
  backup = await startBackup();
  await mkdir(join(backup.dirs.audit, "tile/0"), { recursive: true });
  await writeFile(join(backup.dirs.audit, "checkpoint"), "medvault/audit\n7\nabc=\n\n— medvault xyz\n");
  await writeFile(join(backup.dirs.audit, "tile/0/000.p"), randomBytes(224));
  const { id } = await givenPatient(backup);
  await givenFile(backup, id);
});
afterAll(() => backup?.stop());
beforeEach(async () => {
  await drainedEvents(backup.pool);
});

async function verify(id: string): Promise<BackupView> {
  expect((await backup.admin.post(`/v1/backups/${id}/verify`)).status).toBe(202);
  return settled(backup, id, (view) => view.verification?.state !== "running");
}

test("one call backs up every table, file and the audit store, and says what it holds", async () => {
  const view = await makeBackup(backup);
  expect(view).toMatchObject({
    state: "complete",
    contents: { files: 1, filesMissing: 0, auditCheckpoint: 7 },
    error: null,
    restore: null,
  });
  expect(view.contents?.rows).toBeGreaterThanOrEqual(6);
  expect(view.contents?.tables).toBeGreaterThan(8);
  expect(view.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(view.sizeBytes).toBeGreaterThan(50_000);
  const listed = await backup.admin.get<{ items: BackupView[] }>("/v1/backups?limit=1");
  expect(listed.body.items).toMatchObject([{ id: view.id, sha256: view.sha256 }]);
  const events = await drainedEvents(backup.pool);
  expect(events.map((event) => event.type)).toContain("medvault.backup.backup.requested.v1");
  expect(events.find((event) => event.type === "medvault.backup.backup.created.v1")).toMatchObject({
    subject: `backup/${view.id}`,
    data: {
      outcome: "success",
      actor: { id: backup.admin.actor.id },
      details: { manifestSha256: view.sha256 },
    },
  });
});

test("a fresh backup verifies", async () => {
  const { id } = await makeBackup(backup);
  const view = await verify(id);
  expect(view).toMatchObject({ verification: { state: "passed", error: null } });
  expect(view.verifiedAt).not.toBeNull();
  const events = await drainedEvents(backup.pool);
  expect(events.find((event) => event.type === "medvault.backup.backup.verified.v1")).toMatchObject({
    subject: `backup/${id}`,
    data: { outcome: "success" },
  });
  for (const name of ["backup_last_success_timestamp_seconds", "backup_last_verified_timestamp_seconds"])
    await expect
      .poll(() => metricOf(backup.app, name), { timeout: 10_000 })
      .toBeGreaterThan(Date.now() / 1000 - 600);
  expect(await metricOf(backup.app, "backup_last_failure_timestamp_seconds")).toBe(0);
});

test("a second backup copies no blob that the first has, and neither loses it when the other is deleted", async () => {
  const one = await makeBackup(backup);
  const before = await filesUnder(join(backup.dirs.backups, "blobs"));
  const two = await makeBackup(backup);
  expect(await filesUnder(join(backup.dirs.backups, "blobs"))).toEqual(before);
  expect((await backup.admin.delete(`/v1/backups/${one.id}`)).status).toBe(204);
  expect((await backup.admin.get(`/v1/backups/${one.id}`)).status).toBe(404);
  expect(await filesUnder(join(backup.dirs.backups, one.id))).toEqual([]);
  expect((await verify(two.id)).verification?.state).toBe("passed");
});

test("a byte flipped in any file of a backup is found", async () => {
  const { id } = await makeBackup(backup);
  const folder = join(backup.dirs.backups, id);
  const paths = await filesUnder(folder);
  expect(paths.length).toBeGreaterThan(15);
  for (const path of paths) {
    const original = await readFile(path);
    await flip(path, original.length - 3);
    const view = await verify(id);
    expect([path, view.verification?.state]).toEqual([path, "failed"]);
    expect(view.verification?.error).toMatch(/^(key_refused|manifest_changed|part_damaged|blob_damaged)$/);
    await writeFile(path, original);
  }
  expect((await verify(id)).verification?.state).toBe("passed");
});

test("a missing part, a missing blob and a swapped manifest are found, each by its name", async () => {
  const one = await makeBackup(backup);
  const two = await makeBackup(backup);
  const at = (id: string, name: string) => join(backup.dirs.backups, id, name);
  const errorOf = async (id: string) => (await verify(id)).verification?.error;
  const part = await readFile(at(one.id, "parts/records.patients"));
  await rm(at(one.id, "parts/records.patients"));
  expect(await errorOf(one.id)).toBe("part_missing");
  await copyFile(at(two.id, "parts/records.patients"), at(one.id, "parts/records.patients"));
  expect(await errorOf(one.id)).toBe("part_damaged");
  await writeFile(at(one.id, "parts/records.patients"), part);
  const [blob = ""] = await filesUnder(at(one.id, "blobs"));
  await rm(blob);
  expect(await errorOf(one.id)).toBe("blob_missing");
  await copyFile(at(two.id, "manifest"), at(one.id, "manifest"));
  expect(await errorOf(one.id)).toBe("manifest_changed");
});

test("a whole other backup in a backup's place is not it, even when the row is made to say so", async () => {
  const one = await makeBackup(backup);
  const two = await makeBackup(backup);
  for (const name of ["key", "manifest"]) {
    await copyFile(join(backup.dirs.backups, two.id, name), join(backup.dirs.backups, one.id, name));
  }
  await backup.pool.query("update backups set manifest_sha256 = $2 where id = $1", [one.id, two.sha256]);
  expect((await verify(one.id)).verification?.error).toBe("key_refused");
});

test("without this installation's key nothing of a backup opens", async () => {
  const { id, sha256 } = await makeBackup(backup);
  const keysFile = join(backup.dirs.backups, "../keys/other.json");
  await generateKeyFile(keysFile, "backup");
  const other = await createKeyring({ service: "backup", keysFile });
  const expected = { manifestSha256: sha256 ?? "", keysetSha256: null };
  const opening = openBackup({ ...backup.context, keyring: other }, id, expected);
  await expect(opening).rejects.toMatchObject({ reason: "key_refused" });
});

test("a manifest that another key signed is refused", async () => {
  const { id, sha256 } = await makeBackup(backup);
  await backup.pool.query("delete from keys where kind = 'signing'");
  const expected = { manifestSha256: sha256 ?? "", keysetSha256: null };
  const opening = openBackup(backup.context, id, expected);
  await expect(opening).rejects.toMatchObject({ reason: "signature_invalid" });
});

test("no id, no type of content and no path of a file can be read in a backup", async () => {
  const { id } = await makeBackup(backup);
  const patients = await backup.records.query<{ id: string }>("select id from patients");
  const marks = ["text/plain", "active", ...patients.rows.map((row) => row.id)];
  for (const path of await filesUnder(join(backup.dirs.backups, id))) {
    const bytes = await readFile(path);
    for (const mark of marks) expect(bytes.includes(mark)).toBe(false);
  }
});

test("a file whose blob is gone or damaged is noted, and the rest is backed up", async () => {
  const { id: patientId } = await givenPatient(backup);
  const gone = await givenFile(backup, patientId);
  const damaged = await givenFile(backup, patientId);
  await rm(gone.path);
  await flip(damaged.path);
  const view = await makeBackup(backup);
  expect(view).toMatchObject({ state: "complete", contents: { files: 1, filesMissing: 2 } });
  expect((await verify(view.id)).verification?.state).toBe("passed");
  await backup.files.query("delete from files where id = any($1)", [[gone.id, damaged.id]]);
});

test("one at a time: a second backup is refused while one runs", async () => {
  await backup.pool.query(
    "insert into backups (id, state, requested_by, runner, heartbeat_at) values ($1, 'running', $1, 'elsewhere', now())",
    [newId()],
  );
  const answer = await backup.admin.post("/v1/backups");
  expect(answer).toMatchObject({ status: 409, body: { code: "backup_running" } });
  await backup.pool.query("delete from backups where runner = 'elsewhere'");
});

test("threat: backups, verifications and restores are asked for again by key, and the log says nothing", async () => {
  const { id } = await makeBackup(backup);
  const asked = [
    ["/v1/backups", "requested"],
    [`/v1/backups/${id}/verify`, "verify_requested"],
    [`/v1/backups/${id}/restore`, "restore_requested"],
  ] as const;
  for (const [path, verb] of asked) {
    const headers = { "idempotency-key": newId() };
    const first = await backup.admin.post<BackupView>(path, {}, { headers });
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    await settled(backup, first.body.id, (view) => view.state === "complete");
    await drainedEvents(backup.pool);
    const again = await backup.admin.post<BackupView>(path, {}, { headers });
    expect(again).toMatchObject({ status: 202, body: { id: first.body.id } });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    const events = await drainedEvents(backup.pool);
    expect(events.filter((event) => event.type === `medvault.backup.backup.${verb}.v1`)).toMatchObject([
      { subject: `backup/${first.body.id}`, data: { details: { replayed: true } } },
    ]);
  }
  const { rows } = await backup.pool.query("delete from restores returning state");
  expect(rows).toEqual([{ state: "requested" }]);
});

test("threat: a backup is deleted while its restore is asked for, and the restore is acknowledged all the same", async () => {
  for (let n = 0; n < 8; n++) {
    const { id } = await makeBackup(backup);
    const path = `/v1/backups/${id}`;
    const deletion = () => backup.admin.delete<{ code: string }>(path);
    const asking = () => backup.admin.post<BackupView & { code: string }>(`${path}/restore`);
    const [asked, deleted] = await (n % 2
      ? Promise.all([asking(), deletion()])
      : Promise.all([deletion(), asking()]).then(([one, two]) => [two, one] as const));
    if (asked.status === 202) {
      expect(deleted).toMatchObject({ status: 409, body: { code: "restore_running" } });
      expect(asked.body.restore?.state).toBe("requested");
      expect((await backup.admin.get(path)).status).toBe(200);
    } else {
      expect([asked.status, deleted.status]).toEqual([404, 204]);
    }
    await backup.pool.query("delete from restores");
  }
});

/** As a process does that has begun no work. */
const recoverAsAnother = () =>
  recoverBackups({ ...backup.context, queue: new WorkQueue(backup.context.logger) });

test("what a killed process was making is failed and gone at the next start; unknown directories stay", async () => {
  const id = newId();
  await backup.pool.query(
    "insert into backups (id, state, requested_by, runner, heartbeat_at) values ($1, 'running', $1, $2, now())",
    [id, `elsewhere.1.${newId()}`],
  );
  await mkdir(join(backup.dirs.backups, `tmp-${id}/parts`), { recursive: true });
  await writeFile(join(backup.dirs.backups, `tmp-${id}/parts/records.patients`), "half");
  const unknown = join(backup.dirs.backups, newId());
  await mkdir(unknown);
  await recoverAsAnother();
  expect((await backup.admin.get(`/v1/backups/${id}`)).body).toMatchObject({ state: "running" });
  await backup.pool.query("update backups set heartbeat_at = now() - interval '2 minutes' where id = $1", [
    id,
  ]);
  await recoverAsAnother();
  expect((await backup.admin.get(`/v1/backups/${id}`)).body).toMatchObject({
    state: "failed",
    error: "interrupted",
  });
  expect(await filesUnder(join(backup.dirs.backups, `tmp-${id}`))).toEqual([]);
  await expect(readFile(unknown)).rejects.toMatchObject({ code: "EISDIR" });
});

test("anyone who may not, may not, and it is in the log; a restore and a deletion need a fresh sign-in", async () => {
  const { id } = await makeBackup(backup);
  await drainedEvents(backup.pool);
  for (const role of ["doctor", "patient", "auditor"] as const) {
    const person = signedIn(backup.app, actor(role));
    expect((await person.post("/v1/backups")).status).toBe(403);
    expect((await person.get("/v1/backups")).status).toBe(403);
    expect((await person.get(`/v1/backups/${id}`)).status).toBe(403);
    expect((await person.post(`/v1/backups/${id}/restore`)).status).toBe(403);
    expect((await person.post(`/v1/backups/${id}/restore-preview`)).status).toBe(403);
    expect((await person.delete(`/v1/backups/${id}`)).status).toBe(403);
  }
  expect((await signedIn(backup.app, actor("guest")).get("/v1/backups")).status).toBe(401);
  const stale = signedIn(backup.app, actor("admin", { authTime: Math.floor(Date.now() / 1000) - 700 }));
  expect(await stale.post(`/v1/backups/${id}/restore`)).toMatchObject({ body: { code: "step_up_required" } });
  expect(await stale.delete(`/v1/backups/${id}`)).toMatchObject({ body: { code: "step_up_required" } });
  const events = await drainedEvents(backup.pool);
  expect(events).toHaveLength(21);
  expect(new Set(events.map((event) => event.type))).toEqual(new Set(["medvault.backup.backup.denied.v1"]));
});

test.each([
  ["GET", "/v1/backups/nonsense", 404],
  ["GET", `/v1/backups/${newId()}`, 404],
  ["POST", `/v1/backups/${newId()}/verify`, 404],
  ["POST", `/v1/backups/${newId()}/restore`, 404],
  ["POST", `/v1/backups/${newId()}/restore-preview`, 404],
  ["DELETE", `/v1/backups/${newId()}`, 404],
  ["GET", "/v1/backups?limit=0", 400],
  ["GET", "/v1/backups?cursor=x", 400],
] as const)("%s %s is %i", async (method, path, status) => {
  const call = { GET: backup.admin.get, POST: backup.admin.post, DELETE: backup.admin.delete }[method];
  expect((await call(path)).status).toBe(status);
});

test("a setting in the body is refused, since there is nothing to set", async () => {
  expect((await backup.admin.post("/v1/backups", { path: "/etc" })).status).toBe(400);
});

test("a check that is aborted, stops", async () => {
  const { id, sha256 } = await makeBackup(backup);
  const expected = { manifestSha256: sha256 ?? "", keysetSha256: null };
  const opened = await openBackup(backup.context, id, expected);
  await expect(checkBackup(opened, { signal: AbortSignal.abort() })).rejects.toThrow();
});
