import { randomUUID } from "node:crypto";
import { readBoxHeader } from "@medvault/crypto";
import { afterEach, expect, test } from "vitest";
import {
  changeOne,
  givenDatabase,
  kept,
  keptOf,
  readOne,
  storeMany,
  storeOne,
  testKeyring,
} from "../../test/harness.ts";
import { DeclarationFault } from "../errors.ts";
import { LiveIndexes } from "../indexes/live-indexes.ts";
import { createSubjectKey } from "../keyring/subject-keys.ts";
import { sealedTable } from "../sealed-tables/sealed-table.ts";
import { type ResealedRow, type ResealOptions, reseal } from "./reseal.ts";

const keyring = testKeyring("records");
const declared = kept.declaration;
const pool = (await givenDatabase("records")).pool("records");
afterEach(async () => {
  kept.adopt(declared);
  await pool.query("delete from fhir_resources");
});

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());
const silent: ResealOptions = { pausePerWork: 0, onRows: async () => undefined };
const adopt = (): void =>
  kept.adopt({
    ...declared,
    suite: "chacha20-poly1305",
    sealed: ["resource"],
    open: ["full_url"],
  });

async function boxes() {
  const { rows } = await pool.query<{ id: string; rev: number; open: object; sealed: Buffer }>(
    "select id, rev, open, sealed from fhir_resources order by id",
  );
  return rows.map((row) => ({ ...row, suite: readBoxHeader(row.sealed).suite }));
}

test("rows come onto the present declaration and suite as their next revision, each with its event", async () => {
  const rows = await storeMany(pool, keyring, ids(250));
  const before = new Map(rows.map((row) => [row.id, row]));
  adopt();
  const events: ResealedRow[] = [];
  const result = await reseal(pool, keyring, kept, {
    ...silent,
    onRows: async (_tx, resealed) => void events.push(...resealed),
  });
  expect(result).toEqual({ resealed: 250, overtaken: 0, refused: [] });
  for (const box of await boxes()) {
    expect(box).toMatchObject({ suite: "chacha20-poly1305", rev: 2, open: { full_url: null } });
    expect(events).toContainEqual({
      id: box.id,
      subjectId: before.get(box.id)?.subjectId,
      rev: 2,
      boxSha256: kept.boxHash(box.sealed),
    });
    expect((await readOne(pool, keyring, box.id))?.value).toEqual({ ...before.get(box.id), rev: 2 });
  }
  expect(await reseal(pool, keyring, kept, silent)).toEqual({ resealed: 0, overtaken: 0, refused: [] });
}, 30_000);

test("what was stopped goes on where it ended", async () => {
  await storeMany(pool, keyring, ids(250));
  adopt();
  const stop = new AbortController();
  const first = reseal(pool, keyring, kept, {
    ...silent,
    signal: stop.signal,
    onProgress: () => stop.abort(new Error("stopped")),
  });
  await expect(first).rejects.toThrow("stopped");
  expect((await reseal(pool, keyring, kept, silent)).resealed).toBe(150);
});

test("a row that is written meanwhile is left as its writer left it, and two runs at once seal no row twice", async () => {
  const rows = await storeMany(pool, keyring, ids(300));
  adopt();
  const changes = async (): Promise<number> => {
    let changed = 0;
    for (const { id } of rows.slice(0, 100)) if (await changeOne(pool, keyring, id, "ours")) changed += 1;
    return changed;
  };
  const [first, second, changed] = await Promise.all([
    reseal(pool, keyring, kept, silent),
    reseal(pool, keyring, kept, silent),
    changes(),
  ]);
  const after = await boxes();
  expect(after.every(({ suite }) => suite === "chacha20-poly1305")).toBe(true);
  const revisions = after.reduce((sum, { rev }) => sum + rev - 1, 0);
  expect(first.resealed + second.resealed + changed).toBe(revisions);
  for (const { id } of rows) expect(await readOne(pool, keyring, id)).not.toBeNull();
});

test("old and new rows both read before the reseal, and a damaged one is named and delays no other", async () => {
  const [damaged, sound] = await storeMany(pool, keyring, ids(2));
  adopt();
  const added = { ...keptOf(randomUUID(), "new"), fullUrl: "urn:uuid:1" };
  await storeOne(pool, keyring, added);
  expect((await readOne(pool, keyring, added.id))?.value).toEqual(added);
  expect((await readOne(pool, keyring, sound?.id ?? ""))?.value).toEqual(sound);
  await pool.query(
    "update fhir_resources set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) where id = $1",
    [damaged?.id],
  );
  expect(await reseal(pool, keyring, kept, silent)).toEqual({
    resealed: 1,
    overtaken: 0,
    refused: [damaged?.id],
  });
});

test("a field that is declared no more is not lost: nothing is written", async () => {
  await storeMany(pool, keyring, ids(2));
  kept.adopt({ ...declared, sealed: ["resource"], suite: "chacha20-poly1305" });
  await expect(reseal(pool, keyring, kept, silent)).rejects.toThrow(DeclarationFault);
  expect((await boxes()).map(({ rev }) => rev)).toEqual([1, 1]);
});

test("with all, index tokens are made again, and gone where the index is off", async () => {
  interface Patient {
    id: string;
    rev: number;
    createdAt: Date;
    nationalId: string;
  }
  const of = (exactOff: string[]) =>
    sealedTable<Patient>({
      service: "records",
      table: "patients",
      subject: "id",
      typed: ["created_at"],
      sealed: ["national_id"],
      exact: ["national_id"],
      exactOff,
    });
  const on = of([]);
  const value = { id: randomUUID(), rev: 1, createdAt: new Date(), nationalId: "S1234567D" };
  const { open, sealed } = on.seal(keyring, await createSubjectKey(pool, keyring, value.id), value);
  await pool.query(
    `insert into patients (id, created_by, created_at, updated_at, rev, open, sealed)
     values ($1, $1, $2, $2, 1, $3, $4)`,
    [value.id, value.createdAt, open, sealed],
  );
  const token = async () =>
    (await pool.query<{ token: Buffer }>("select national_id_token as token from patients")).rows[0]?.token;
  await reseal(pool, keyring, on, { ...silent, all: true });
  expect(await token()).toHaveLength(16);
  const off = of(["national_id"]);
  const running = reseal(pool, keyring, off, { ...silent, all: true });
  await expect(running).rejects.toMatchObject({ code: "index_policy_differs" });
  expect(await token()).toHaveLength(16);
  await LiveIndexes.open(pool, keyring, off); // the service was started again under the new policy
  await reseal(pool, keyring, off, { ...silent, all: true });
  expect(await token()).toBeNull();
});
