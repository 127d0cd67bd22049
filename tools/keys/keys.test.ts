import { randomBytes, randomUUID } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { createSubjectKey, findSubjectKeys, KeyVersionDestroyed, tableKey } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { createTestDatabase, drainedEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { files } from "../../services/files/src/files/file.table.ts";
import { givenVault, type KeysPlace, makeKeysPlace } from "../test/harness.ts";

// Each command is a process of its own, which on a busy machine takes seconds to begin.
vi.setConfig({ testTimeout: 180_000 });
const WITH_KEYS = ["auth", "records", "files", "audit", "backup"] as const;

let database: TestDatabase;
let place: KeysPlace;
beforeAll(async () => {
  database = await createTestDatabase(WITH_KEYS);
});
afterAll(() => database?.drop());
beforeEach(async () => {
  place = await makeKeysPlace(database, WITH_KEYS);
});
afterEach(async () => {
  for (const service of WITH_KEYS) {
    const pool = database.pool(service);
    await pool.query("delete from subject_keys");
    await pool.query("delete from keys");
    await pool.query("delete from service_keys");
    await pool.query("delete from service_key_versions");
    await pool.query("delete from shreds");
    await pool.query("update final_rotation set active_version = null, held_up_by = null");
    await pool.query("delete from outbox");
  }
  await database.pool("files").query("delete from files");
  await database.pool("records").query("delete from fhir_resources");
  await database.pool("backup").query("delete from backups");
  await place.remove();
});

const keys: KeysPlace["keys"] = (...args) => place.keys(...args);
const keysJson: KeysPlace["keysJson"] = (...args) => place.keysJson(...args);

async function storeKeys(service: "records" | "files", count: number): Promise<void> {
  const keyring = await place.keyringOf(service);
  for (let n = 0; n < count; n += 1) await createSubjectKey(database.pool(service), keyring, randomUUID());
  await tableKey(database.pool(service), keyring, "some");
}

test("help, and wrong usage in one sentence with exit code 2", async () => {
  expect(await keys("--help")).toMatchObject({ code: 0, out: expect.stringContaining("rotate <service>") });
  for (const [args, sentence] of [
    [[], /name a command/],
    [["dance"], /no command dance/],
    [["rotate"], /name a service/],
    [["rotate", "gateway"], /gateway is no service/],
    [["destroy", "records", "one"], /the version is a number/],
    [["list", "--frobnicate"], /--frobnicate/],
  ] as const) {
    const ran = await keys(...args);
    expect(ran.err).toMatch(sentence);
    expect(ran.code, args.join(" ")).toBe(2);
  }
});

test("a service is rotated, rewrapped and its old version destroyed, each with its event", async () => {
  await storeKeys("records", 5);
  expect(await keys("rotate", "records")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/version 2 is active/),
  });
  const refused = await keys("destroy", "records", "1");
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("5 subject keys, 1 table keys") });
  expect(await keysJson("rewrap", "records")).toMatchObject({
    code: 0,
    answer: { ok: true, services: [{ service: "records", version: 2, rewrapped: 6, refused: [] }] },
  });
  expect((await keys("retire", "records", "1")).code).toBe(0);
  expect((await keys("destroy", "records", "1")).code).toBe(0);
  const { answer } = await keysJson("list", "records");
  expect(answer.versions).toMatchObject([
    { version: 1, state: "destroyed", subject: 0 },
    { version: 2, state: "active", subject: 5, table: 1, ageDays: 0 },
  ]);
  expect((await keys("list", "records")).out).toMatch(/records +2 +active +0 d +5 +0 +1/);
  const events = await drainedEvents(database.pool("records"));
  expect(events.map(({ type, data }) => [type, data.actor, data.details])).toEqual([
    ["medvault.records.keys.rotate.v1", null, { version: 2, retired: 1 }],
    ["medvault.records.keys.rewrap.v1", null, { keys: 1, version: 2 }],
    ["medvault.records.keys.rewrap.v1", null, { keys: 5, version: 2 }],
    ["medvault.records.keys.retire.v1", null, { version: 1 }],
    ["medvault.records.keys.destroy.v1", null, { version: 1 }],
    ["medvault.records.keys.list.v1", null, { versions: 2 }],
    ["medvault.records.keys.list.v1", null, { versions: 2 }],
  ]);
});

test("a version that kept backups may need is destroyed only on demand; a newer backup needs nothing of it", async () => {
  await storeKeys("records", 1);
  await keys("rotate", "records");
  await keys("rewrap", "records");
  const backup = () =>
    database.pool("backup").query(
      `insert into backups (id, state, requested_by, finished_at, manifest_sha256)
       values ($1, 'complete', $1, now(), repeat('0', 64))`,
      [randomUUID()],
    );
  await backup();
  expect(await keys("destroy", "records", "1")).toMatchObject({
    code: 1,
    err: expect.stringContaining("1 keys in kept backups"),
  });
  await database.pool("backup").query("delete from backups");
  await backup();
  expect((await keys("destroy", "records", "1")).code).toBe(0);
  await keys("rotate", "records");
  expect(await keys("rotate", "records", "--final")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/keys in kept backups/),
  });
  expect(await keys("rotate", "records", "--final", "--despite-backups")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/destroyed 2, 3, 4/),
  });
});

test("the keys of archives come along with those of backup, and hold their version until then", async () => {
  const id = randomUUID();
  const file = path.join(place.dir, "backups", id, "key");
  await mkdir(path.dirname(file), { recursive: true });
  const secret = randomBytes(32);
  await writeFile(file, (await place.keyringOf("backup")).wrap(secret, ["backup", "archive", id]));
  await keys("rotate", "backup");
  const refused = await keys("destroy", "backup", "1", "--despite-backups");
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("1 archives of backups") });
  expect(await keysJson("rewrap", "backup")).toMatchObject({ answer: { services: [{ archives: 1 }] } });
  expect((await keys("destroy", "backup", "1")).code).toBe(0);
  const opened = (await place.keyringOf("backup")).unwrap(await readFile(file), ["backup", "archive", id]);
  expect(opened).toEqual(secret);
});

test("the doctor finds weak rights, an old key, a lost version and a spent nonce budget, and is content otherwise", async () => {
  expect(await keys("doctor")).toMatchObject({
    code: 0,
    out: expect.stringContaining("Nothing to put right"),
  });
  await chmod(place.fileOf("files"), 0o644);
  await storeKeys("records", 2);
  await rm(place.fileOf("records"));
  await generateKeyFile(place.fileOf("records"), "records");
  const document = JSON.parse(await readFile(place.fileOf("records"), "utf8"));
  document.versions[0] = { ...document.versions[0], version: 3, createdAt: "2026-01-31T00:00:00Z" };
  await writeFile(place.fileOf("records"), JSON.stringify(document), { mode: 0o600 });
  await database.pool("records").query(
    `insert into fhir_resources (id, subject_id, created_at, rev, open, sealed)
     values ($1, $1, now(), 1073741825, '{}', '\\x00')`,
    [randomUUID()],
  );
  const { code, answer } = await keysJson("doctor");
  expect(code).toBe(1);
  expect(answer.findings).toMatchObject([
    { service: "records", check: "lost", says: expect.stringContaining("3 keys are wrapped by version 1") },
    { service: "records", check: "rotation" },
    { service: "records", check: "key_file", says: expect.stringContaining("version 1 is missing there") },
    { service: "records", check: "keys", says: expect.stringMatching(/3 keys do not open \(table\/1\/some/) },
    { service: "records", check: "nonces", says: expect.stringContaining("1 rows of fhir_resources") },
    { service: "files", check: "key_file", says: expect.stringContaining("can be read by others") },
  ]);
  expect((await keys("doctor", "records", "--max-age-days", "100000")).out).not.toMatch(/days old/);
});

test("the rows of a table follow a changed policy by reseal, each with the event that proves its revision", async () => {
  const pool = database.pool("files");
  const [id, patientId] = [randomUUID(), randomUUID()];
  const keyring = await place.keyringOf("files");
  const value = {
    ...{ id, rev: 1, patientId, attachedTo: null, contentType: "text/plain", sizeBytes: 1, state: "stored" },
    ...{ uploadedBy: patientId, blob: randomUUID(), blobBytes: 73, blobSha256: "0".repeat(64) },
    ...{ name: "letter.txt", sha256: "1".repeat(64), fileKey: "secret" },
  };
  const { open, sealed } = files.seal(
    keyring,
    await createSubjectKey(pool, keyring, patientId),
    value as never,
  );
  await pool.query(
    `insert into files (id, patient_id, content_type, size_bytes, state, uploaded_by, blob, blob_bytes, blob_sha256,
                        rev, open, sealed)
     values ($1, $2, 'text/plain', 1, 'stored', $2, $3, 73, $4, 1, $5, $6)`,
    [id, patientId, value.blob, value.blobSha256, open, sealed],
  );
  const policy = path.join(place.dir, "policy.json");
  await writeFile(policy, JSON.stringify({ services: { files: { files: { suite: "chacha20-poly1305" } } } }));
  place.env.MEDVAULT_POLICY_FILE = policy;
  expect(await keysJson("reseal", "files")).toMatchObject({ code: 0, answer: { resealed: 1 } });
  expect(await keysJson("reseal", "files")).toMatchObject({ code: 0, answer: { resealed: 0 } });
  const { rows } = await pool.query<{ rev: number; sealed: Buffer }>("select rev, sealed from files");
  expect([rows[0]?.rev, rows[0]?.sealed[1]]).toEqual([2, 2]);
  expect(await drainedEvents(pool)).toMatchObject([
    {
      type: "medvault.files.keys.reseal.v1",
      subject: `file/${id}`,
      data: {
        patientIds: [patientId],
        details: { table: "files", rev: 2, boxSha256: files.boxHash(rows[0]?.sealed ?? Buffer.alloc(0)) },
      },
    },
  ]);
  await writeFile(policy, JSON.stringify({ services: { files: { files: { suite: "des" } } } }));
  expect(await keys("reseal", "files")).toMatchObject({
    code: 1,
    err: expect.stringContaining("des is refused"),
  });
  expect(await keys("reseal", "nothing")).toMatchObject({ code: 2 });
});

test("threat: after a shred and a final rotation an old dump and the service keys of today open nothing of the patient", async () => {
  const [patientId, other] = [randomUUID(), randomUUID()];
  const dumps = new Map<string, Buffer>();
  for (const service of ["records", "files"] as const) {
    const keyring = await place.keyringOf(service);
    dumps.set(service, await createSubjectKey(database.pool(service), keyring, patientId));
    await createSubjectKey(database.pool(service), keyring, other);
  }
  expect(await keysJson("shred", patientId)).toMatchObject({
    code: 0,
    answer: { shredded: ["records", "files"] },
  });
  expect(await keysJson("shred", patientId)).toMatchObject({ code: 1, answer: { shredded: [] } });
  expect(await keys("shred", "somebody")).toMatchObject({ code: 2 });
  const [event] = await drainedEvents(database.pool("records"));
  expect(event).toMatchObject({
    type: "medvault.records.keys.shred.v1",
    data: { patientIds: [patientId], details: { keys: 1 } },
  });
  for (const service of ["records", "files"] as const) {
    const dumped = dumps.get(service) ?? Buffer.alloc(0);
    expect((await place.keyringOf(service)).subjectKey(dumped, patientId).key).toHaveLength(32);
    expect((await keys("rotate", service, "--final")).code).toBe(0);
    const today = await place.keyringOf(service);
    expect(() => today.subjectKey(dumped, patientId)).toThrow(KeyVersionDestroyed);
    const left = await findSubjectKeys(database.pool(service), [other, patientId]);
    expect([...left.keys()]).toEqual([other]);
    expect(today.subjectKey(left.get(other) ?? Buffer.alloc(0), other).key).toHaveLength(32);
  }
});

test("rehearsal: the key files are lost, three of five shares give them back, and everything opens", {
  timeout: 60_000,
}, async () => {
  const subject = randomUUID();
  const wrapped = await createSubjectKey(database.pool("records"), await place.keyringOf("records"), subject);
  const out = path.join(place.dir, "shares");
  const share = (n: number) => path.join(out, `share-${n}-of-5.json`);
  expect(await keys("escrow", "--shares", "2", "--threshold", "3", "--out", out)).toMatchObject({ code: 2 });
  expect(await keys("escrow", "--shares", "5", "--threshold", "3", "--out", out)).toMatchObject({ code: 0 });
  expect((await stat(share(1))).mode & 0o777).toBe(0o600);
  expect(await drainedEvents(database.pool("records"))).toMatchObject([
    { type: "medvault.records.keys.escrow.v1", data: { details: { shares: 5, threshold: 3 } } },
  ]);
  const before = await readFile(place.fileOf("records"));
  await rm(path.join(place.dir, "keys"), { recursive: true });
  expect(await keys("recover", share(1), share(2))).toMatchObject({
    code: 1,
    err: expect.stringContaining("it takes 3 of the set"),
  });
  expect(await keysJson("recover", share(5), share(1), share(3))).toMatchObject({
    code: 0,
    answer: {
      files: WITH_KEYS.toSorted().map((name) => ({ file: `${name}.json`, did: "put_back" })),
      unrecorded: [],
    },
  });
  expect(await readFile(place.fileOf("records"))).toEqual(before);
  expect((await stat(place.fileOf("records"))).mode & 0o777).toBe(0o600);
  expect((await place.keyringOf("records")).subjectKey(wrapped, subject).key).toHaveLength(32);
  expect(await keys("doctor")).toMatchObject({ code: 0 });
  await keys("rotate", "records");
  const rotated = await readFile(place.fileOf("records"));
  expect(await keysJson("doctor", "records")).toMatchObject({
    code: 1,
    answer: {
      findings: [{ check: "shares", says: expect.stringContaining("shares hold version 1, and 2 is") }],
    },
  });
  expect(await keysJson("recover", share(2), share(1), share(3))).toMatchObject({
    answer: { files: WITH_KEYS.toSorted().map((name) => ({ file: `${name}.json`, did: "kept" })) },
  });
  expect(await readFile(place.fileOf("records"))).toEqual(rotated);
});

test("key files in folders of their own are found, checked, shared and put back there", async () => {
  const folderOf = (service: string) => path.join(place.dir, "keys", service);
  const inFolder = (service: string) => path.join(folderOf(service), `${service}.json`);
  for (const service of WITH_KEYS) {
    await mkdir(folderOf(service), { mode: 0o700 });
    await rename(place.fileOf(service), inFolder(service));
  }
  expect(await keys("doctor")).toMatchObject({ code: 0 });
  await chmod(folderOf("records"), 0o770);
  expect(await keysJson("doctor", "files")).toMatchObject({
    code: 1,
    answer: { findings: [{ check: "folder", says: expect.stringContaining(`chmod 700`) }] },
  });
  const out = path.join(place.dir, "shares");
  expect(await keys("escrow", "--shares", "3", "--threshold", "2", "--out", out)).toMatchObject({ code: 0 });
  const before = await readFile(inFolder("records"));
  await rm(inFolder("records"));
  const shares = [1, 2].map((n) => path.join(out, `share-${n}-of-3.json`));
  expect(await keys("recover", ...shares)).toMatchObject({ code: 0 });
  expect(await readFile(inFolder("records"))).toEqual(before);
  expect(await readdir(path.join(place.dir, "keys"))).toEqual(WITH_KEYS.toSorted());
});

test("a service's keys move into Vault, where they are rotated from then on", async () => {
  const vault = await givenVault(place.dir);
  await storeKeys("records", 2);
  expect(await keys("to-vault", "records")).toMatchObject({ code: 2 });
  expect(await keys("to-vault", "records", ...vault.args)).toMatchObject({ code: 0 });
  expect(await keys("rotate", "records", "--final")).toMatchObject({ code: 0 });
  expect(await readFile(place.fileOf("records"), "utf8")).not.toContain('"key":');
  expect((await keysJson("list", "records")).answer.versions).toMatchObject([
    { version: 1, state: "destroyed", subject: 0 },
    { version: 2, state: "active", subject: 2, table: 1 },
  ]);
});

test("a database that is away is one sentence, and the key file stays as it was", async () => {
  const before = await readFile(place.fileOf("records"));
  const ops = JSON.parse(await readFile(path.join(place.dir, "ops.json"), "utf8"));
  ops.postgres.services.records = "postgres://nobody@127.0.0.1:1/none";
  await writeFile(path.join(place.dir, "ops.json"), JSON.stringify(ops));
  expect(await keys("rotate", "records")).toMatchObject({
    code: 75,
    err: expect.stringMatching(
      /^keys: the database of records does not answer at 127.0.0.1:1: start MedVault .*\n$/,
    ),
  });
  expect(await readFile(place.fileOf("records"))).toEqual(before);
});
