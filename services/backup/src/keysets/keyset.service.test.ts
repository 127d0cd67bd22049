import { randomUUID } from "node:crypto";
import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BackupView } from "@medvault/contracts";
import {
  countInBackups,
  createKeyring,
  createSubjectKey,
  findSubjectKeys,
  indexKey,
  insertSubjectKeys,
  KeyVersionDestroyed,
  signingKey,
  tableKey,
} from "@medvault/keys";
import {
  destroyVersion,
  generateKeyFile,
  type KeyPlace,
  retireVersion,
  rewrap,
  rotateServiceKey,
  shredSubject,
} from "@medvault/keys/operations";
import { drainedEvents } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { flip, makeBackup, restore, settled, startBackup, type TestBackup } from "../../test/harness.ts";
import { openBackup } from "../archive/manifest.store.ts";
import { renewKeysets, surveyKeyset } from "./keyset.service.ts";
import { hashesOf } from "./keyset.store.ts";

let backup: TestBackup;
let place: KeyPlace;
const silent = async () => undefined;
beforeEach(async () => {
  backup = await startBackup();
  const keysFile = join(backup.dirs.backups, "../keys/records.json");
  await generateKeyFile(keysFile, "records");
  place = { service: "records", keysFile, pool: backup.records };
});
afterEach(() => backup?.stop());

const keyringOf = () => createKeyring({ service: "records", keysFile: place.keysFile });
const folderOf = (id: string) => join(backup.dirs.backups, id);
const needing = (version: number) => countInBackups(place.pool, "records", version);
const renewNow = () =>
  renewKeysets(backup.context, { signal: backup.context.queue.signal, evenIfTried: true });

async function rotateTo(version: number): Promise<void> {
  await rotateServiceKey(place, silent);
  const keyring = await keyringOf();
  await rewrap(place.pool, keyring, { pausePerWork: 0 });
  await retireVersion(place, version - 1, silent);
}

async function givenBackup() {
  const keyring = await keyringOf();
  const [survivor, erased] = [randomUUID(), randomUUID()];
  await createSubjectKey(place.pool, keyring, survivor);
  const dumped = await createSubjectKey(place.pool, keyring, erased);
  await tableKey(place.pool, keyring, "identifiers");
  const { id } = await makeBackup(backup);
  return { survivor, erased, dumped, id };
}

async function verifies(id: string): Promise<BackupView["verification"]> {
  await backup.admin.post(`/v1/backups/${id}/verify`);
  const view = await settled(backup, id, ({ verification }) => verification?.state !== "running");
  return view.verification;
}

async function keysetVersions(id: string) {
  const hashes = await hashesOf(backup.pool, id);
  if (!hashes) throw new Error("the backup is gone");
  const opened = await openBackup(backup.context, id, hashes);
  return (await surveyKeyset(opened)).all;
}

test("threat: after a shred and its rotation a kept backup opens for everyone else, and for the shredded not at all", async () => {
  const { survivor, erased, dumped, id } = await givenBackup();
  await shredSubject(place, erased, silent);
  expect(await needing(1)).toBe(3);
  await rotateTo(2);
  await drainedEvents(backup.pool);
  expect(await renewNow()).toBe(1);
  expect(await needing(1)).toBe(0);
  await destroyVersion(place, 1, [], silent);
  expect(await keysetVersions(id)).toEqual([{ service: "records", version: 2, keys: 2, stray: 0 }]);
  expect(await verifies(id)).toEqual({ state: "passed", error: null });
  expect(await drainedEvents(backup.pool)).toContainEqual(
    expect.objectContaining({
      type: "medvault.backup.backup.keyset_renewed.v1",
      subject: `backup/${id}`,
      data: expect.objectContaining({
        actor: null,
        details: expect.objectContaining({ generation: 1, renewed: 2, leftOut: 1, stray: 0 }),
      }),
    }),
  );
  // Everything of the keys is lost here; the backup brings back what still opens.
  await place.pool.query("delete from subject_keys");
  await place.pool.query("delete from keys");
  expect(await restore(backup, id)).toMatchObject({ state: "complete" });
  const keys = await findSubjectKeys(place.pool, [survivor, erased]);
  expect([...keys.keys()]).toEqual([survivor]);
  const today = await keyringOf();
  expect(today.subjectKey(keys.get(survivor) ?? Buffer.alloc(0), survivor).key).toHaveLength(32);
  expect((await tableKey(place.pool, today, "identifiers")).length).toBe(32);
  expect(() => today.subjectKey(dumped, erased)).toThrow(KeyVersionDestroyed);
});

test("threat: a restore of a backup from before a shred does not bring its key back, also while nothing was rotated", async () => {
  const { survivor, erased, id } = await givenBackup();
  await shredSubject(place, erased, silent);
  await place.pool.query("delete from subject_keys"); // damage, to be healed
  expect(await restore(backup, id)).toMatchObject({ state: "complete" });
  expect([...(await findSubjectKeys(place.pool, [survivor, erased])).keys()]).toEqual([survivor]);
});

test("renewals follow each other, each in place of the one before, and two at once are one", async () => {
  const { id } = await givenBackup();
  for (const version of [2, 3, 4]) {
    await rotateTo(version);
    const counts = await Promise.all([renewNow(), renewNow()]);
    expect(counts.sort()).toEqual([0, 1]);
    expect(await needing(version - 1)).toBe(0);
    const files = await readdir(join(folderOf(id), "parts"));
    expect(files.filter((name) => name.startsWith("records_sys."))).toHaveLength(2);
    expect((await readdir(folderOf(id))).filter((name) => name.startsWith("keyset-"))).toHaveLength(1);
    expect(await verifies(id)).toEqual({ state: "passed", error: null });
  }
  expect(await renewNow()).toBe(0);
});

test("a renewal that ends before its keyset is in force leaves the old one, whole; one that ends after it, the new one", async () => {
  const { survivor, id } = await givenBackup();
  const parts = join(folderOf(id), "parts");
  const before = await readdir(parts);
  await rotateTo(2);
  // The backup is being read: all is written and not put in force, as when killed just before.
  await backup.pool.query("update backups set verify_state = 'running', runner = 'x', heartbeat_at = now()");
  expect(await renewNow()).toBe(0);
  await backup.pool.query("update backups set verify_state = null");
  expect((await readdir(parts)).length).toBeGreaterThan(before.length);
  expect(await needing(1)).toBe(3);
  expect(await verifies(id)).toEqual({ state: "passed", error: null });
  // Killed just after: what it replaced still lies there.
  const kept = before.filter((name) => name.startsWith("records_sys."));
  for (const name of kept) await copyFile(join(parts, name), join(backup.dirs.backups, name));
  expect(await renewNow()).toBe(1);
  for (const name of kept) await copyFile(join(backup.dirs.backups, name), join(parts, name));
  await backup.pool.query("update backups set keyset_swept = false");
  expect(await verifies(id)).toEqual({ state: "passed", error: null });
  await place.pool.query("delete from subject_keys");
  expect(await restore(backup, id)).toMatchObject({ state: "complete" });
  const found = (await findSubjectKeys(place.pool, [survivor])).get(survivor);
  expect(found?.readUInt32BE(2)).toBe(2);
  expect(await renewNow()).toBe(0);
  expect((await readdir(parts)).sort()).not.toEqual(expect.arrayContaining(kept));
});

test("threat: a keyset that is gone, changed, older or another backup's is refused, and nothing is changed", async () => {
  const { id } = await givenBackup();
  const other = await makeBackup(backup);
  const keysetOf = async (of: string) =>
    join(folderOf(of), (await readdir(folderOf(of))).find((name) => name.startsWith("keyset-")) ?? "");
  await rotateTo(2);
  expect(await renewNow()).toBe(2);
  const old = await readFile(await keysetOf(id));
  await rotateTo(3);
  expect(await renewNow()).toBe(2);
  const path = await keysetOf(id);
  const own = await readFile(path);
  const refusals: [() => Promise<void>, string][] = [
    [() => rm(path), "keyset_missing"],
    [() => writeFile(path, old), "keyset_changed"],
    [async () => writeFile(path, await readFile(await keysetOf(other.id))), "keyset_changed"],
    [() => flip(path), "keyset_changed"],
  ];
  for (const [change, error] of refusals) {
    await writeFile(path, own);
    await change();
    expect(await verifies(id)).toEqual({ state: "failed", error });
    expect(await restore(backup, id)).toMatchObject({ state: "failed", error });
  }
  await writeFile(path, own);
  // An attacker who can also write the row, and has the archive's key, still lacks the signature.
  const { manifestSha256 } = (await hashesOf(backup.pool, id)) ?? { manifestSha256: "" };
  const sha256 = (await keysetOf(other.id)).slice(-64);
  await writeFile(join(folderOf(id), `keyset-${sha256}`), await readFile(await keysetOf(other.id)));
  const opening = openBackup(backup.context, id, {
    manifestSha256,
    keysetSha256: sha256,
  });
  await expect(opening).rejects.toMatchObject({ reason: "keyset_damaged" });
  expect(await verifies(id)).toEqual({ state: "passed", error: null });
});

test("a key that is lost here and was not shredded holds its version until a restore brings it back", async () => {
  const { survivor, id } = await givenBackup();
  await place.pool.query("delete from subject_keys where subject_id = $1", [survivor]);
  await rotateTo(2);
  expect(await renewNow()).toBe(1);
  expect(await needing(1)).toBe(1);
  expect(await renewNow()).toBe(0);
  expect(await restore(backup, id)).toMatchObject({ state: "complete" });
  const keyring = await keyringOf();
  const found = (await findSubjectKeys(place.pool, [survivor])).get(survivor) ?? Buffer.alloc(0);
  expect(keyring.subjectKey(found, survivor).key).toHaveLength(32);
  await rewrap(place.pool, keyring, { pausePerWork: 0 });
  expect(await renewNow()).toBe(1);
  expect(await needing(1)).toBe(0);
});

test("a new key under the id of an old one never takes its place in a backup", async () => {
  const { survivor, id } = await givenBackup();
  await place.pool.query("delete from subject_keys where subject_id = $1", [survivor]);
  await createSubjectKey(place.pool, await keyringOf(), survivor);
  await rotateTo(2);
  await renewNow();
  expect(await needing(1)).toBe(1);
  expect(await keysetVersions(id)).toContainEqual({ service: "records", version: 1, keys: 1, stray: 0 });
});

test("a backup under way, and one that was never counted, hold every version that was open when they began", async () => {
  const { id } = await givenBackup();
  await backup.pool.query("update backups set keyset_surveyed = false");
  await rotateTo(2);
  expect(await needing(1)).toBe(1);
  await flip(join(folderOf(id), "parts", "records_sys.subject_keys"));
  expect(await renewNow()).toBe(0);
  expect(await needing(1)).toBe(1);
  await backup.admin.delete(`/v1/backups/${id}`);
  expect(await needing(1)).toBe(0);
  expect((await makeBackup(backup)).state).toBe("complete");
  expect(await needing(1)).toBe(0);
});

test("10,000 keys are renewed in a kept backup", async () => {
  const keyring = await keyringOf();
  const ids = Array.from({ length: 10_000 }, () => randomUUID());
  const made = new Map(ids.map((id) => [id, keyring.wrap(Buffer.alloc(32, 1), ["subject", id])]));
  await insertSubjectKeys(place.pool, made);
  const { id } = await makeBackup(backup);
  await rotateTo(2);
  expect(await renewNow()).toBe(1);
  expect(await keysetVersions(id)).toEqual([{ service: "records", version: 2, keys: 10_000, stray: 0 }]);
  expect(await verifies(id)).toEqual({ state: "passed", error: null });
}, 30_000);

test("services may ask how many keys in backups need a version, and see nothing else of backup", async () => {
  expect(await needing(1)).toBe(0);
  await expect(place.pool.query("select from backup.backups")).rejects.toMatchObject({ code: "42501" });
  await expect(place.pool.query("select from backup.keyset_versions")).rejects.toMatchObject({
    code: "42501",
  });
  await expect(backup.pool.query("delete from records_sys.shreds")).rejects.toMatchObject({ code: "42501" });
});

test("keys that a service replaced or let go by itself are left out, and hold no version", async () => {
  const auth = backup.database.pool("auth");
  const keysFile = join(backup.dirs.backups, "../keys/auth.json");
  await generateKeyFile(keysFile, "auth");
  place = { service: "auth", keysFile, pool: auth };
  const keyring = await createKeyring({ service: "auth", keysFile });
  await signingKey(auth, keyring, "access-tokens/2");
  await indexKey(auth, keyring, "users.email");
  const { id } = await makeBackup(backup);
  await auth.query("delete from keys where kind = 'signing'");
  await auth.query(
    `insert into keys (kind, name, version, wrapped, state) select kind, name, 2, wrapped, 'retired' from keys`,
  );
  await auth.query("delete from keys where version = 1");
  await auth.query("update keys set state = 'active'");
  await rotateServiceKey(place, silent);
  await rewrap(auth, await createKeyring({ service: "auth", keysFile }), { pausePerWork: 0 });
  await retireVersion(place, 1, silent);
  expect(await renewNow()).toBe(1);
  expect(await countInBackups(auth, "auth", 1)).toBe(0);
  expect(await keysetVersions(id)).toEqual([]);
});
