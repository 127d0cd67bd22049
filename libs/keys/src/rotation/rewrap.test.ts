import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { WrappedKeyRefused } from "@medvault/crypto";
import { inTransaction } from "@medvault/postgres";
import pg from "pg";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  givenDatabase,
  givenFolder,
  readOne,
  startTraffic,
  storeMany,
  testKeyring,
} from "../../test/harness.ts";
import { KeyVersionActive, KeyVersionDestroyed, KeyVersionNeeded } from "../errors.ts";
import { createKeyring, type Keyring } from "../keyring/keyring.ts";
import { indexKey, tableKey } from "../keyring/service-keys.ts";
import { rotateSigningKey, signingKey } from "../keyring/signing-keys.ts";
import {
  createSubjectKey,
  findSubjectKeys,
  insertSubjectKeys,
  newSubjectKey,
} from "../keyring/subject-keys.ts";
import { generateKeyFile } from "../operations/generate.ts";
import { rewrap } from "./rewrap.ts";
import { destroyVersion, type KeyPlace, retireVersion, rotateServiceKey } from "./service-key.ts";
import { countWrapped } from "./wrapped-keys.store.ts";

const database = await givenDatabase("records", "files");
const pool = database.pool("records");
let place: KeyPlace;
beforeEach(async () => {
  place = { service: "records", keysFile: join(await givenFolder(), "records.json"), pool };
  await generateKeyFile(place.keysFile, "records");
});
afterEach(async () => {
  for (const table of ["subject_keys", "keys", "service_keys", "service_key_versions", "fhir_resources"])
    await pool.query("delete from ".concat(table));
});

const keyringOf = (): Promise<Keyring> => createKeyring({ service: "records", keysFile: place.keysFile });
const silent = async (): Promise<void> => undefined;
const rotate = () => rotateServiceKey(place, silent);
const counts = () => countWrapped(pool);
const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

test("10,000 subjects are rotated and rewrapped while 50 requests a second read and write, and none fails", async () => {
  const subjects = ids(10_000);
  const rows = await storeMany(pool, await keyringOf(), subjects);
  const service = await keyringOf(); // another process's: its own provider, its own cache
  const traffic = startTraffic(pool, [service], rows);
  try {
    await vi.waitFor(() => expect(traffic.answered()).toBeGreaterThan(20), 5_000);
    expect(await rotate()).toEqual({ version: 2, retired: 1 });
    const progress: number[] = [];
    const result = await rewrap(pool, await keyringOf(), {
      onProgress: (done) => void progress.push(done),
    });
    expect(result).toMatchObject({ version: 2, refused: [] });
    expect(result.rewrapped).toBeGreaterThanOrEqual(10_000);
    expect(progress.length).toBeGreaterThanOrEqual(100);
    const before = traffic.answered();
    await vi.waitFor(() => expect(traffic.answered()).toBeGreaterThan(before + 20), 5_000);
  } finally {
    await traffic.stop();
  }
  expect(traffic.failures).toEqual([]);
  expect([...(await counts()).keys()]).toEqual([2]);
  await destroyVersion(place, 1, [], silent);
  const fresh = await keyringOf();
  for (const { id } of rows.slice(0, 500)) expect((await readOne(pool, fresh, id))?.value.id).toBe(id);
}, 60_000);

test("a rewrap that was stopped in the middle goes on where it ended, and one more finds nothing to do", async () => {
  await storeMany(pool, await keyringOf(), ids(450));
  await rotate();
  const stop = new AbortController();
  const first = rewrap(pool, await keyringOf(), {
    signal: stop.signal,
    onProgress: (done) => {
      if (done >= 200) stop.abort(new Error("stopped"));
    },
  });
  await expect(first).rejects.toThrow("stopped");
  expect((await counts()).get(1)?.subject).toBe(250);
  expect((await rewrap(pool, await keyringOf())).rewrapped).toBe(250);
  expect((await rewrap(pool, await keyringOf())).rewrapped).toBe(0);
  expect((await counts()).get(2)).toEqual({ subject: 450, answer: 0, table: 0, index: 0, signing: 0 });
});

test("two rewraps at once share the work: every key is wrapped once", async () => {
  await storeMany(pool, await keyringOf(), ids(1_000));
  await rotate();
  const both = await Promise.all([rewrap(pool, await keyringOf()), rewrap(pool, await keyringOf())]);
  expect(both.map(({ rewrapped }) => rewrapped).reduce((sum, count) => sum + count)).toBe(1_000);
  expect([...(await counts()).keys()]).toEqual([2]);
});

test("table, index and signing keys of every generation come along, and stay the same keys", async () => {
  const keyring = await keyringOf();
  const before = [
    await tableKey(pool, keyring, "identifiers"),
    await indexKey(pool, keyring, "patients.name"),
  ];
  await signingKey(pool, keyring, "statements");
  const signer = await inTransaction(pool, (tx) => rotateSigningKey(tx, keyring, "statements"));
  await rotate();
  await rewrap(pool, keyring);
  await destroyVersion(place, 1, [], silent);
  const fresh = await keyringOf();
  expect([await tableKey(pool, fresh, "identifiers"), await indexKey(pool, fresh, "patients.name")]).toEqual(
    before,
  );
  const after = await signingKey(pool, fresh, "statements");
  expect({ kid: after.kid, version: after.version }).toEqual({ kid: signer.kid, version: 2 });
  expect((await counts()).get(2)).toMatchObject({ table: 1, index: 1, signing: 2 });
});

test("a damaged key is named and left as it is, and delays no other", async () => {
  const [damaged = "", ...others] = ids(300);
  await storeMany(pool, await keyringOf(), [damaged, ...others]);
  await pool.query(
    "update subject_keys set wrapped = set_byte(wrapped, 90, get_byte(wrapped, 90) # 1) where subject_id = $1",
    [damaged],
  );
  await rotate();
  expect(await rewrap(pool, await keyringOf())).toEqual({
    version: 2,
    rewrapped: 299,
    refused: [damaged],
  });
  await expect(destroyVersion(place, 1, [], silent)).rejects.toThrow(KeyVersionNeeded);
});

test("a version that something needs is not destroyed, and the refusal says what and how many", async () => {
  await storeMany(pool, await keyringOf(), ids(3));
  await tableKey(pool, await keyringOf(), "identifiers");
  await expect(destroyVersion(place, 1, [], silent)).rejects.toThrow(KeyVersionActive);
  await rotate();
  const refused = destroyVersion(place, 1, [{ what: "archives", count: 2 }], silent);
  await expect(refused).rejects.toThrow("3 subject keys, 1 table keys, 2 archives");
  await rewrap(pool, await keyringOf());
  await expect(destroyVersion(place, 1, [{ what: "archives", count: 2 }], silent)).rejects.toThrow(
    "2 archives",
  );
  await destroyVersion(place, 1, [], silent);
  await expect(destroyVersion(place, 1, [], silent)).rejects.toThrow(KeyVersionDestroyed);
});

test("threat: a key that was wrapped before its version was closed is not stored after it, and a retry goes through", async () => {
  const [late = "", again = ""] = ids(2);
  const keyring = await keyringOf();
  const stale = newSubjectKey(keyring, late);
  await rotate();
  await insertSubjectKeys(pool, new Map([[again, newSubjectKey(keyring, again)]]));
  await retireVersion(place, 1, silent);
  await expect(insertSubjectKeys(pool, new Map([[late, stale]]))).rejects.toMatchObject({
    code: "40001",
  });
  let attempts = 0;
  await inTransaction(pool, async (tx) => {
    attempts += 1;
    if (attempts === 1) await insertSubjectKeys(tx, new Map([[late, stale]]));
    else await createSubjectKey(tx, keyring, late);
  });
  expect(attempts).toBe(2);
  expect((await findSubjectKeys(pool, [late])).size).toBe(1);
});

test("a version is not destroyed past a writer whose transaction is open: it waits, and counts that one too", async () => {
  const [late = ""] = ids(1);
  const stale = newSubjectKey(await keyringOf(), late);
  await rotate();
  const client = await pool.connect();
  await client.query("begin");
  await insertSubjectKeys(client, new Map([[late, stale]]));
  let isDone = false;
  const destroying = destroyVersion(place, 1, [], silent).finally(() => {
    isDone = true;
  });
  destroying.catch(() => undefined);
  // A writer who needs a new key meanwhile waits 300 ms at most.
  for (const id of ids(5)) await createSubjectKey(pool, await keyringOf(), id);
  expect(isDone).toBe(false);
  await client.query("commit");
  client.release();
  await expect(destroying).rejects.toThrow("1 subject keys");
});

test("a restore, which runs as the owner, puts back keys of a closed version; a service does not", async () => {
  const [subject = ""] = ids(1);
  const stale = newSubjectKey(await keyringOf(), subject);
  await rotate();
  await destroyVersion(place, 1, [], silent);
  const statement = "insert into records_sys.subject_keys (subject_id, wrapped) values ($1, $2)";
  await expect(pool.query(statement, [subject, stale])).rejects.toMatchObject({ code: "40001" });
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  try {
    expect((await owner.query(statement, [subject, stale])).rowCount).toBe(1);
  } finally {
    await owner.end();
  }
});

test("threat: one service's keys open none of another's rows", async () => {
  const files = testKeyring("files");
  const keyring = await keyringOf();
  const [row] = await storeMany(pool, keyring, ids(1));
  const wrapped = (await findSubjectKeys(pool, [row?.subjectId ?? ""])).get(row?.subjectId ?? "");
  expect(() => files.subjectKey(wrapped ?? Buffer.alloc(0), row?.subjectId ?? "")).toThrow(WrappedKeyRefused);
  await expect(database.pool("files").query("select from records_sys.subject_keys")).rejects.toThrow(
    /permission denied/,
  );
});

test("threat: an old dump of the wrapped keys and the service keys of today open nothing", async () => {
  const [subject = ""] = ids(1);
  const keyring = await keyringOf();
  const dumped = await createSubjectKey(pool, keyring, subject);
  expect(keyring.subjectKey(dumped, subject).key).toHaveLength(32);
  await pool.query("delete from subject_keys where subject_id = $1", [subject]);
  await rotate();
  await rewrap(pool, keyring);
  await destroyVersion(place, 1, [], silent);
  for (const today of [keyring, await keyringOf()]) {
    expect(() => today.subjectKey(dumped, subject)).toThrow(KeyVersionDestroyed);
  }
});

test("a rotation without an event does not happen, and a database that is away leaves the file as it is", async () => {
  await expect(rotateServiceKey(place, () => Promise.reject(new Error("no outbox")))).rejects.toThrow(
    "no outbox",
  );
  expect((await keyringOf()).provider.versions()).toHaveLength(1);
});
