import { randomUUID } from "node:crypto";
import { BOX_OVERHEAD_BYTES, paddedLength } from "@medvault/crypto";
import { beforeEach, expect, test } from "vitest";
import { changeOne, givenDatabase, kept, readOne, storeMany, testKeyring } from "../../test/harness.ts";
import { FORMER } from "./former-rows.testdata.ts";
import { type ResealedRow, type ResealOptions, reseal } from "./reseal.ts";

const keyring = testKeyring("records", Buffer.from(FORMER.serviceKey, "hex"));
const pool = (await givenDatabase("records")).pool("records");
const FORMER_IDS = FORMER.rows.map(({ id }) => id);
const PADDED = BOX_OVERHEAD_BYTES + paddedLength(0);
const silent: ResealOptions = { pausePerWork: 0, onRows: async () => undefined };

/** A row each of before: their bytes, and what is in them. */
beforeEach(async () => {
  await pool.query("delete from fhir_resources");
  await pool.query("delete from subject_keys");
  await pool.query("insert into subject_keys (subject_id, wrapped) values ($1, $2)", [
    FORMER.subjectId,
    Buffer.from(FORMER.wrapped, "hex"),
  ]);
  for (const { id, sealed } of FORMER.rows) {
    await pool.query(
      `insert into fhir_resources (id, subject_id, created_at, rev, open, sealed)
       values ($1, $2, $3, 1, '{}', $4)`,
      [id, FORMER.subjectId, FORMER.createdAt, Buffer.from(sealed, "hex")],
    );
  }
});

async function lengths(): Promise<number[]> {
  const { rows } = await pool.query<{ length: number }>(
    "select octet_length(sealed) as length from fhir_resources order by id",
  );
  return rows.map(({ length }) => length);
}

async function texts(): Promise<unknown[]> {
  const read = await Promise.all(FORMER_IDS.map((id) => readOne(pool, keyring, id)));
  return read.map((found) => found?.value.resource);
}

test("threat: rows of before, whose lengths tell their content, are read, and padded by a reseal, once", async () => {
  const contents = FORMER.rows.map(({ text }) => ({ text }));
  expect(await lengths()).toEqual(FORMER.rows.map(({ sealed }) => sealed.length / 2));
  expect(new Set(await lengths()).size).toBe(2);
  expect(await texts()).toEqual(contents);
  const events: ResealedRow[] = [];
  const onRows = async (_tx: unknown, rows: readonly ResealedRow[]) => void events.push(...rows);
  expect((await reseal(pool, keyring, kept, { ...silent, onRows })).resealed).toBe(2);
  expect(await lengths()).toEqual([PADDED, PADDED]);
  expect(await texts()).toEqual(contents);
  expect(events.map(({ id, rev }) => ({ id, rev }))).toEqual(FORMER_IDS.map((id) => ({ id, rev: 2 })));
  expect(await reseal(pool, keyring, kept, silent)).toEqual({ resealed: 0, overtaken: 0, refused: [] });
});

test("a reseal takes only what is not padded, and one that was stopped goes on where it ended", async () => {
  await storeMany(
    pool,
    keyring,
    Array.from({ length: 50 }, () => randomUUID()),
  );
  const stop = new AbortController();
  const onProgress = () => stop.abort(new Error("stopped"));
  const first = reseal(pool, keyring, kept, { ...silent, batchRows: 1, signal: stop.signal, onProgress });
  await expect(first).rejects.toThrow("stopped");
  expect((await lengths()).filter((length) => length !== PADDED)).toHaveLength(1);
  expect((await reseal(pool, keyring, kept, { ...silent, batchRows: 1 })).resealed).toBe(1);
  expect(new Set(await lengths())).toEqual(new Set([PADDED]));
});

test("a row of before is padded by the next change of it", async () => {
  await changeOne(pool, keyring, FORMER_IDS[0] ?? "", "a new text");
  expect(await lengths()).toEqual([PADDED, (FORMER.rows[1]?.sealed.length ?? 0) / 2]);
});
