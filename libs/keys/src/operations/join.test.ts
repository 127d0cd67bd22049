import { randomBytes, randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WrappedKeyRefused } from "@medvault/crypto";
import { inTransaction } from "@medvault/postgres";
import { beforeEach, expect, test } from "vitest";
import { givenDatabase, givenFolder, keptOf, readOne, storeOne } from "../../test/harness.ts";
import { KeysNotComparable, KeyVersionDestroyed, KeyVersionNeeded } from "../errors.ts";
import { createKeyring, openKeyring } from "../keyring/keyring.ts";
import { tableKey } from "../keyring/service-keys.ts";
import { findSubjectKeys } from "../keyring/subject-keys.ts";
import { type KeyDocument, readKeyDocument } from "../providers/key-document.ts";
import { changeKeyFile, readKeyFile } from "../providers/key-file.ts";
import { withNextVersion, withoutVersion } from "../providers/key-versions.ts";
import { makeShredsFinal } from "../rotation/final-rotation.ts";
import { rewrap } from "../rotation/rewrap.ts";
import { destroyVersion, retireVersion, rotateServiceKey } from "../rotation/service-key.ts";
import { shred } from "../rotation/shred.ts";
import { generateKeyFile } from "./generate.ts";
import { joinDocuments } from "./join.ts";

const NOW = new Date("2026-11-27T15:00:00Z");
const database = await givenDatabase("records");
const pool = database.pool("records");
let place: { service: string; keysFile: string; pool: typeof pool };
const silent = async (): Promise<void> => undefined;
const documentOf = (): KeyDocument => readKeyFile(place.keysFile, "records").document;
const opened = () => openKeyring(pool, place);

beforeEach(async () => {
  for (const table of [
    "fhir_resources",
    "subject_keys",
    "keys",
    "shreds",
    "service_keys",
    "service_key_versions",
  ])
    await pool.query("delete from ".concat(table));
  place = { service: "records", keysFile: join(await givenFolder(), "records.json"), pool };
  await generateKeyFile(place.keysFile, "records");
});

/** The true version 1 with a row and a table key; then another key called version 1, with a row. */
async function givenTwoFirstVersions() {
  const [first, second] = [
    keptOf(randomUUID(), "under the true key"),
    keptOf(randomUUID(), "under the other"),
  ];
  const before = await opened();
  await storeOne(pool, before, first);
  const secret = await tableKey(pool, before, "some");
  const shared = documentOf();
  await rm(place.keysFile);
  await generateKeyFile(place.keysFile, "records");
  await storeOne(pool, await createKeyring(place), second); // as before keys were noted: no check
  const join = () =>
    changeKeyFile(place.keysFile, "records", (now) => joinDocuments(now, shared, "f", NOW).document);
  return { first, second, secret, shared, join };
}

test("threat: two keys called version 1 are told apart and joined, and what either wrapped opens", async () => {
  const { first, second, secret, shared, join } = await givenTwoFirstVersions();
  const other = documentOf();
  expect(joinDocuments(other, shared, "f", NOW)).toMatchObject({
    putBack: [1],
    renamed: [{ from: 1, to: 2 }],
  });
  await join();
  expect(documentOf().versions).toMatchObject([
    { version: 1, state: "retired", key: shared.versions[0]?.key, retiredAt: NOW.toISOString() },
    { version: 2, state: "active", key: other.versions[0]?.key, formerVersion: 1 },
  ]);
  const keyring = await opened();
  for (const { id, resource } of [first, second])
    expect((await readOne(pool, keyring, id))?.value.resource).toEqual(resource);
  expect(await tableKey(pool, keyring, "some")).toEqual(secret);
  expect(joinDocuments(documentOf(), shared, "f", NOW)).toEqual({
    document: documentOf(),
    putBack: [],
    renamed: [],
  });
});

test("threat: neither of two joined keys is destroyed while something lies under it, whatever number it says", async () => {
  const { first, second, join } = await givenTwoFirstVersions();
  await join();
  await rotateServiceKey(place, silent);
  for (const version of [1, 2])
    await expect(destroyVersion(place, version, [], silent)).rejects.toThrow(KeyVersionNeeded);
  await expect(retireVersion(place, 2, silent)).rejects.toThrow(KeyVersionNeeded);
  const keyring = await opened();
  expect(await rewrap(pool, keyring, { pausePerWork: 0 })).toMatchObject({
    version: 3,
    rewrapped: 3,
    refused: [],
  });
  for (const version of [1, 2]) await destroyVersion(place, version, [], silent);
  for (const { id, resource } of [first, second])
    expect((await readOne(pool, await opened(), id))?.value.resource).toEqual(resource);
});

test("threat: a shred is not called final while a joined key, which has a higher number by now, opens old dumps", async () => {
  const { second, join } = await givenTwoFirstVersions();
  const dumped = (await findSubjectKeys(pool, [second.subjectId])).get(second.subjectId) ?? Buffer.alloc(0);
  await join();
  const keyring = await opened();
  await inTransaction(pool, (tx) => shred(tx, second.subjectId));
  const options = {
    ...{ pool, keyring, keysFile: place.keysFile, owner: "test", afterMs: 0, graceMs: 0, pausePerWork: 0 },
    ...{ audit: () => silent, countOutside: async () => 0, now: () => new Date(Date.now() + 60_000) },
  };
  expect(await makeShredsFinal(options)).toEqual({ state: "done" });
  expect(documentOf().versions.map(({ state }) => state)).toEqual(["destroyed", "destroyed", "active"]);
  expect(() => keyring.subjectKey(dumped, second.subjectId)).toThrow(KeyVersionDestroyed);
});

test("a running process takes up what was joined, and refuses a file without a key that it has", async () => {
  const { first, second, shared, join } = await givenTwoFirstVersions();
  const running = await createKeyring(place);
  await expect(readOne(pool, running, first.id)).rejects.toThrow(WrappedKeyRefused);
  const other = documentOf();
  await writeFile(place.keysFile, JSON.stringify(shared));
  expect(() => running.refresh()).toThrow(
    /replaced by one without the key that is version 1.*keys -- recover/,
  );
  expect((await readOne(pool, running, second.id))?.value).toEqual(second);
  await writeFile(place.keysFile, JSON.stringify(other));
  await join();
  for (const value of [first, second]) expect((await readOne(pool, running, value.id))?.value).toEqual(value);
});

test("an older file gets the versions that it lacks; a newer one keeps what it has, and what it destroyed stays so", async () => {
  const older = documentOf();
  const newer = withNextVersion(older, { key: randomBytes(32).toString("base64") }, NOW);
  const joined = joinDocuments(older, { ...newer, escrowedVersion: 2 }, "f", NOW);
  expect(joined).toMatchObject({ putBack: [2], renamed: [], document: { escrowedVersion: 2 } });
  expect(joined.document.versions.map(({ state }) => state)).toEqual(["retired", "active"]);
  expect(joinDocuments(newer, older, "f", NOW)).toEqual({ document: newer, putBack: [], renamed: [] });
  const destroyed = withoutVersion(newer, 1, NOW);
  expect(joinDocuments(destroyed, older, "f", NOW)).toEqual({
    document: destroyed,
    putBack: [],
    renamed: [],
  });
  expect(readKeyDocument(JSON.stringify(joined.document), "records", "f")).toEqual(joined.document);
});

test("keys that Vault wraps in one of the two cannot be compared: nothing is changed", async () => {
  const vault = { url: "https://vault:8200", tokenFile: "/t", keyName: "mv", mount: "transit" };
  const plain = documentOf();
  for (const [there, shared] of [
    [plain, { ...plain, vault }],
    [{ ...plain, vault }, plain],
  ] as const)
    expect(() => joinDocuments(there, shared, "f", NOW)).toThrow(KeysNotComparable);
  expect(await readFile(place.keysFile, "utf8")).toContain(plain.versions[0]?.key);
});
