import { randomUUID } from "node:crypto";
import { verifyEd25519, WrappedKeyRefused } from "@medvault/crypto";
import { inTransaction } from "@medvault/postgres";
import { expect, test } from "vitest";
import { givenDatabase, testKeyring } from "../../test/harness.ts";
import { DeclarationFault, NoActiveKey } from "../errors.ts";
import { sealedTable } from "../sealed-tables/sealed-table.ts";
import { indexKey, tableKey } from "./service-keys.ts";
import { rotateSigningKey, signingKey, signingKeys } from "./signing-keys.ts";
import {
  createSubjectKey,
  createSubjectKeys,
  findSubjectKeys,
  insertSubjectKeys,
  newSubjectKey,
} from "./subject-keys.ts";

const keyring = testKeyring("backup");
const pool = (await givenDatabase("backup")).pool("backup");

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

test("a subject's key is made once, and stays the same", async () => {
  const [id = ""] = ids(1);
  const first = await createSubjectKey(pool, keyring, id);
  expect(await createSubjectKey(pool, keyring, id)).toEqual(first);
  expect((await findSubjectKeys(pool, [id])).get(id)).toEqual(first);
});

test("fifty that make the same subject's key at once all get the one that is stored", async () => {
  const [id = ""] = ids(1);
  const made = await Promise.all(Array.from({ length: 50 }, () => createSubjectKey(pool, keyring, id)));
  expect(new Set(made.map((wrapped) => wrapped.toString("hex"))).size).toBe(1);
  expect((await findSubjectKeys(pool, [id])).get(id)).toEqual(made[0]);
});

test("many keys are made in one go, over the same subjects by several at once, without deadlock", async () => {
  const all = ids(400);
  const writers = Array.from({ length: 6 }, (_, n) => {
    const mine = n % 2 === 0 ? all : [...all].reverse();
    return inTransaction(pool, (tx) => createSubjectKeys(tx, keyring, [...mine, ...mine.slice(0, 5)]));
  });
  const [first = new Map<string, Buffer>(), ...others] = await Promise.all(writers);
  expect(first.size).toBe(400);
  for (const other of others)
    for (const [id, wrapped] of other) expect(wrapped.equals(first.get(id) ?? Buffer.alloc(0))).toBe(true);
  for (const [id, wrapped] of first) expect(keyring.subjectKey(wrapped, id).key).toHaveLength(32);
  expect(await createSubjectKeys(pool, keyring, [])).toEqual(new Map());
});

test("keys made before the transaction are stored in it, and an older one wins", async () => {
  const [known = "", fresh = ""] = ids(2);
  const older = await createSubjectKey(pool, keyring, known);
  const made = new Map([known, fresh].map((id) => [id, newSubjectKey(keyring, id)]));
  const stored = await inTransaction(pool, (tx) => insertSubjectKeys(tx, made));
  expect(stored.get(known)).toEqual(older);
  expect(stored.get(fresh)).toEqual(made.get(fresh));
});

test("threat: a wrapped key put into another subject's row opens nothing", async () => {
  const [one = "", other = ""] = ids(2);
  await createSubjectKeys(pool, keyring, [one, other]);
  await pool.query(
    `update subject_keys set wrapped = (select wrapped from subject_keys where subject_id = $1) where subject_id = $2`,
    [one, other],
  );
  const wrapped = (await findSubjectKeys(pool, [other])).get(other) ?? Buffer.alloc(0);
  expect(() => keyring.subjectKey(wrapped, other)).toThrow(WrappedKeyRefused);
});

test("the database refuses a wrapped key of another length", async () => {
  const insert = pool.query(`insert into subject_keys (subject_id, wrapped) values ($1, $2)`, [
    randomUUID(),
    Buffer.alloc(32),
  ]);
  await expect(insert).rejects.toMatchObject({ code: "23514" });
});

test("table and index keys are made at first use, once for all who come at once, and apart by kind and name", async () => {
  const keys = await Promise.all(Array.from({ length: 20 }, () => tableKey(pool, keyring, "manifests")));
  expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(1);
  const others = [await tableKey(pool, keyring, "others"), await indexKey(pool, keyring, "manifests")];
  expect(new Set([keys[0], ...others].map((key) => key?.toString("hex"))).size).toBe(3);
  keys[0]?.fill(0); // a caller's copy is the caller's
  expect(await tableKey(pool, keyring, "manifests")).toEqual(keys[1]);
});

test("threat: a key whose transaction was rolled back is not remembered", async () => {
  let lost: Buffer | undefined;
  const rolledBack = inTransaction(pool, async (tx) => {
    lost = await tableKey(tx, keyring, "rolled back");
    throw new RangeError("no");
  });
  await expect(rolledBack).rejects.toThrow(RangeError);
  expect(await tableKey(pool, keyring, "rolled back")).not.toEqual(lost);
});

test("a signing key is made once, signs, and shows its public half alone", async () => {
  const [one, other] = await Promise.all([
    signingKey(pool, keyring, "tokens"),
    signingKey(pool, keyring, "tokens"),
  ]);
  expect(one.kid).toBe(other.kid);
  const message = Buffer.from("message");
  expect(verifyEd25519(other.publicKey, message, one.sign(message))).toBe(true);
  expect(await signingKeys(pool, "tokens")).toMatchObject([
    { kid: one.kid, version: 1, state: "active", publicJwk: one.publicJwk },
  ]);
  const { rows } = await pool.query(`select public from keys where kind = 'signing' and name = 'tokens'`);
  expect(Object.keys(rows[0].public).sort()).toEqual(["crv", "kty", "x"]);
});

test("a rotated signing key is retired and listed, and four rotations at once make four versions", async () => {
  const first = await signingKey(pool, keyring, "daily");
  const rotate = () => inTransaction(pool, (tx) => rotateSigningKey(tx, keyring, "daily"));
  const rotated = await Promise.all([rotate(), rotate(), rotate(), rotate()]);
  expect(rotated.map((key) => key.version).sort()).toEqual([2, 3, 4, 5]);
  const listed = await signingKeys(pool, "daily");
  expect(listed.map((key) => [key.version, key.state])).toEqual([
    [5, "active"],
    [4, "retired"],
    [3, "retired"],
    [2, "retired"],
    [1, "retired"],
  ]);
  expect(listed.at(-1)?.kid).toBe(first.kid);
  expect((await signingKey(pool, keyring, "daily")).kid).toBe(listed[0]?.kid);
});

test("a name whose only key was retired gives no key, instead of a new one by accident", async () => {
  await tableKey(pool, keyring, "ended");
  await pool.query(`update keys set state = 'retired' where kind = 'table' and name = 'ended'`);
  await expect(tableKey(pool, keyring, "ended")).rejects.toThrow(NoActiveKey);
});

test("a declared table finds rows by tokens of whole values", async () => {
  const drugs = sealedTable<{ id: string; rev: number; code: string | null }>({
    service: "backup",
    table: "drugs",
    subject: "id",
    typed: [],
    sealed: ["code"],
    exact: ["code"],
  });
  const keys = await drugs.indexKeys(pool, keyring);
  const values = ["Ibu", "Amo", null].map((code) => ({ id: randomUUID(), rev: 1, code }));
  const tokens = values.map((value) => drugs.indexTokens(keys, value).code);
  expect(drugs.queryTokens(keys, "code", " IBU ")).toContainEqual(tokens[0]);
  expect(tokens).toEqual([expect.any(Buffer), expect.any(Buffer), null]);
  expect(tokens[0]).not.toEqual(tokens[1]);
  expect(values.filter((value) => drugs.matches(value, "code", "ibu"))).toHaveLength(1);
  expect(() => drugs.queryTokens(keys, "id", "x")).toThrow(DeclarationFault);
});
