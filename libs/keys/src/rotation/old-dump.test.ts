import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { WrappedKeyRefused } from "@medvault/crypto";
import { inTransaction } from "@medvault/postgres";
import { expect, test } from "vitest";
import { givenDatabase, givenFolder, kept, readOne, storeMany } from "../../test/harness.ts";
import { KeyVersionDestroyed } from "../errors.ts";
import { forgetAnswers } from "../forgotten-answers.ts";
import { idempotent } from "../idempotent.ts";
import { openAnswer, type StoredAnswer } from "../kept-answer.ts";
import { createKeyring, type Keyring } from "../keyring/keyring.ts";
import { tableKey } from "../keyring/service-keys.ts";
import { generateKeyFile } from "../operations/generate.ts";
import type { SealedRow } from "../sealed-tables/sealed-table.ts";
import { makeShredsFinal } from "./final-rotation.ts";
import { eraseSubject, shred } from "./shred.ts";

const pool = (await givenDatabase("records")).pool("records");
const keysFile = join(await givenFolder(), "records.json");
await generateKeyFile(keysFile, "records");

/** All that the tables hold, as a dump taken at that moment has it. */
async function dump() {
  const { rows } = await pool.query<SealedRow & { subject_id: string }>(
    `select f.id, f.subject_id, f.created_at, f.rev, f.open, f.sealed, k.wrapped as subject_key
       from fhir_resources f join subject_keys k on k.subject_id = f.subject_id`,
  );
  const keys = await pool.query<{ kind: string; name: string; wrapped: Buffer }>(
    "select kind, name, wrapped from keys",
  );
  return { rows, keys: keys.rows };
}

function opens(keyring: Keyring, row: SealedRow): boolean {
  try {
    kept.open(keyring, row);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(KeyVersionDestroyed);
    return false;
  }
}

const rotateFinally = (keyring: Keyring) =>
  makeShredsFinal({
    pool,
    keyring,
    keysFile,
    owner: "test",
    afterMs: 0,
    graceMs: 0,
    audit: () => async () => undefined,
    countOutside: async () => 0,
    now: () => new Date(Date.now() + 60_000),
  });

test("threat: an old dump and the keys of today open nothing of a shredded patient, nor of anybody else by the dump alone", async () => {
  const keyring = await createKeyring({ service: "records", keysFile });
  const subjects = Array.from({ length: 40 }, () => randomUUID());
  const values = await storeMany(pool, keyring, subjects);
  await tableKey(pool, keyring, "identifiers");
  const old = await dump();
  const shredded = new Set<string>(subjects.slice(0, 10));
  expect(old.rows.every((row) => opens(keyring, row))).toBe(true);
  for (const id of shredded) await inTransaction(pool, (tx) => shred(tx, id));
  const late = await dump(); // between the shred and its rotation: without the shredded keys, beside the old dump
  expect(old.rows.filter((row) => opens(keyring, row))).toHaveLength(40);
  expect(await rotateFinally(keyring)).toEqual({ state: "done" });

  const today = await createKeyring({ service: "records", keysFile });
  for (const dumped of [old, late]) {
    expect(dumped.rows.filter((row) => opens(today, row))).toEqual([]);
    for (const { kind, name, wrapped } of dumped.keys)
      expect(() => today.unwrap(wrapped, [kind, name])).toThrow(KeyVersionDestroyed);
  }
  // Rows of the dump with the keys of today: those of survivors, as they should, and no other.
  const { rows: live } = await pool.query<{ subject_id: string; wrapped: Buffer }>(
    "select subject_id, wrapped from subject_keys",
  );
  const wrappedNow = new Map(live.map((row) => [row.subject_id, row.wrapped]));
  const opened = old.rows.filter((row) => {
    const subject_key = wrappedNow.get(row.subject_id);
    return subject_key !== undefined && opens(today, { ...row, subject_key });
  });
  expect(opened).toHaveLength(30);
  expect(opened.filter((row) => shredded.has(row.subject_id))).toEqual([]);
  for (const { id, subjectId } of values)
    expect((await readOne(pool, today, id)) === null).toBe(shredded.has(subjectId));
  // What no rotation can help: a copy of the old key file, which had that version's key.
  expect((await readFile(keysFile, "utf8")).match(/"key"/g)).toHaveLength(1);
});

type KeptRow = StoredAnswer & { actor_id: string; method: string; path: string; key: Buffer };
const keptRows = async () => (await pool.query<KeptRow>("select * from idempotency_keys")).rows;

test("threat: an old dump and the keys of today open a kept answer about who was erased, or any other by the dump alone", async () => {
  const keyring = await createKeyring({ service: "records", keysFile });
  const [erased, stays] = [randomUUID(), randomUUID()];
  const registered = (patientId: string, key = patientId) => {
    const request = { actorId: "someone", key, method: "POST", path: "/v1/patients", body: { patientId } };
    const work = async () => ({ status: 201, body: { id: patientId } });
    return idempotent(pool, keyring, request, work, async () => undefined);
  };
  await registered(erased);
  for (let n = 0; n < 120; n += 1) await registered(stays, `${stays}-${n}`); // more than a batch
  const old = await keptRows();
  /** What a row says to one who has these keys and the table's; null where it does not open. */
  const opened = async (by: Keyring, row: KeptRow) => {
    const { actor_id, method, path, key, body_hash: bodyHash } = row;
    const place = { scope: [actor_id, method, path, key] as const, bodyHash };
    const secret = await tableKey(pool, by, "idempotency_keys");
    try {
      return openAnswer(by, place, row, secret);
    } catch (error) {
      const isShut = error instanceof KeyVersionDestroyed || error instanceof WrappedKeyRefused;
      if (!isShut) throw error;
      return null;
    }
  };
  const texts = await Promise.all(old.map((row) => opened(keyring, row)));
  expect(texts.filter((text) => text?.includes(erased))).toHaveLength(1);

  await inTransaction(pool, async (tx) => {
    await eraseSubject(tx, keyring, erased);
    expect(await forgetAnswers(tx, keyring, new Set([erased]))).toBe(1);
  });
  expect(await rotateFinally(keyring)).toEqual({ state: "done" });

  const today = await createKeyring({ service: "records", keysFile });
  expect((await Promise.all(old.map((row) => opened(today, row)))).filter((text) => text !== null)).toEqual(
    [],
  );
  // Nor does any key that an answer has today open that of another.
  const shut = old[texts.findIndex((text) => text?.includes(erased))] as KeptRow;
  for (const { wrapped } of await keptRows()) expect(await opened(today, { ...shut, wrapped })).toBeNull();
  // Those who stay get their answer again, and nothing is done twice.
  for (const n of [0, 60, 119])
    expect(await registered(stays, `${stays}-${n}`)).toMatchObject({ replayed: true, body: { id: stays } });
});
