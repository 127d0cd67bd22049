import { setTimeout as delay } from "node:timers/promises";
import { createSubjectKey, type SealedRow } from "@medvault/keys";
import { type RebuildOptions, rebuildIndexes, reseal } from "@medvault/keys/operations";
import { inTransaction } from "@medvault/postgres";
import { actor, type TestClient } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ADA, type Known, type Records, startRecords } from "../test/harness.ts";
import { type Context, openIndexes } from "./context.ts";
import { patients as patientResource } from "./patients/patient.table.ts";
import { newPatient } from "./patients/patient.ts";
import { searchPatients } from "./patients/patient-search.service.ts";
import { insert } from "./resources/resource.store.ts";
import { contentOf } from "./resources/resource.ts";

const { table: patients } = patientResource;

let service: Records;
let admin: TestClient;
beforeEach(async () => {
  service = await startRecords();
  admin = service.someone("admin");
});
afterEach(() => service.close());

const pool = () => service.context.pool;
const silent: RebuildOptions = { batchRows: 5, pausePerWork: 0, onStep: async () => undefined };
const rebuild = (options: Partial<RebuildOptions> = {}) =>
  rebuildIndexes(pool(), service.context.keyring, patients, { ...silent, ...options });

const LETTERS = "bcdfghklmn";
const nameOf = (n: number): string =>
  `Q${[...String(n)].map((digit) => `${LETTERS[Number(digit)]}u`).join("")}x`;

async function addPatient(n: number): Promise<string> {
  const body = { ...ADA, givenName: "Ida", familyName: nameOf(n), nationalId: `N-${n}` };
  const answer = await admin.post<Known>("/v1/patients", body);
  expect(answer.status).toBe(201);
  return answer.body.id;
}

async function addPatients(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await addPatient(n));
  return ids;
}

async function find(search: object): Promise<string[]> {
  const answer = await admin.post<{ items: Known[] }>("/v1/patients/search", search);
  expect(answer.status).toBe(200);
  return answer.body.items.map(({ id }) => id);
}

async function expectFound(n: number, id: string | undefined): Promise<void> {
  expect(await find({ nationalId: `N-${n}` })).toEqual([id]);
  expect(await find({ q: nameOf(n), nationalId: ` n${n} ` })).toEqual([id]);
}

/** Each row's token, and that which the active key alone gives it. */
async function tokensAndExpected(): Promise<{ stored: Buffer; expected: unknown }[]> {
  const keys = await patients.indexKeys(pool(), service.context.keyring);
  const { rows } = await pool().query<SealedRow>(
    "select p.*, k.wrapped as subject_key from patients p join subject_keys k on k.subject_id = p.id",
  );
  return rows.map((row) => ({
    stored: row.national_id_token as Buffer,
    expected: patients.indexTokens(keys, patients.open(service.context.keyring, row)).national_id,
  }));
}

async function expectOnlyTokensOfOneKey(rows: number): Promise<void> {
  const all = await tokensAndExpected();
  expect(all).toHaveLength(rows);
  for (const { stored, expected } of all) expect(stored).toEqual(expected);
}

async function indexKeyRows(): Promise<string[]> {
  const { rows } = await pool().query<{ key: string }>(
    "select name || ' ' || version || ' ' || state as key from keys where kind = 'index' order by 1",
  );
  return rows.map(({ key }) => key);
}

const AFTER = ["patients.national_id 2 active"];

test("while the indexes are rebuilt, writes and searches go on, and no search misses a row", async () => {
  const ids = await addPatients(60);
  let isOver = false;
  const writing = (async () => {
    for (let n = 60; !isOver || n < 70; n += 1) {
      ids[n] = await addPatient(n);
      await expectFound(n, ids[n]);
      const changed = `/v1/patients/${ids[n % 60]}`;
      expect((await admin.patch(changed, { phone: `+1 555 ${n}` })).status).toBe(200);
    }
  })();
  const searching = (async () => {
    for (let n = 0; !isOver || n < 60; n += 1) await expectFound(n % 60, ids[n % 60]);
  })();
  const before = await tokensAndExpected();
  const steps: string[] = [];
  const result = await rebuild({ pausePerWork: 2, onStep: async (_tx, step) => void steps.push(step) });
  isOver = true;
  await Promise.all([writing, searching]);
  expect(result).toMatchObject({ finished: true, refused: [] });
  expect(steps).toEqual(["begun", "finished"]);
  expect(await indexKeyRows()).toEqual(AFTER);
  await expectOnlyTokensOfOneKey(ids.length);
  const after = await tokensAndExpected();
  expect(after[0]?.expected).not.toEqual(before[0]?.expected);
}, 60_000);

test("a rebuild that is stopped is finished by the next run, and a reseal in between breaks nothing", async () => {
  const ids = await addPatients(12);
  const stop = new AbortController();
  const stopped = rebuild({ signal: stop.signal, onProgress: () => stop.abort(new Error("stopped")) });
  await expect(stopped).rejects.toThrow("stopped");
  ids.push(await addPatient(12));
  for (const [n, id] of ids.entries()) await expectFound(n, id);
  const options = { all: true, onRows: async () => undefined };
  const sealed = await reseal(pool(), service.context.keyring, patients, options);
  expect(sealed).toMatchObject({ resealed: 13, refused: [] });
  for (const [n, id] of ids.entries()) await expectFound(n, id);
  expect(await rebuild()).toMatchObject({ finished: true });
  expect(await indexKeyRows()).toEqual(AFTER);
  await expectOnlyTokensOfOneKey(13);
  for (const [n, id] of ids.entries()) await expectFound(n, id);
});

test("a process that only searched before, with the keys of its boot, finds every row at every step", async () => {
  const ids = await addPatients(6);
  const { keyring } = service.context;
  const searchAs = async (context: Context, q: string) => {
    const { body } = await searchPatients(context, actor("admin"), { q, nationalId: "N-3", limit: 20 });
    return body?.items.map(({ id }) => id);
  };
  const atBoot = async () => ({ ...service.context, indexes: await openIndexes(pool(), keyring) });
  const processes = [await atBoot(), await atBoot()];
  const expectFoundAfter = async (step: number) =>
    expect(await searchAs(processes[step] as Context, nameOf(3))).toEqual([ids[3]]);
  const stop = new AbortController();
  const stopped = rebuild({ signal: stop.signal, onProgress: () => stop.abort(new Error("stopped")) });
  await expect(stopped).rejects.toThrow("stopped");
  await expectFoundAfter(0);
  await rebuild();
  await expectFoundAfter(1);
  await expectFoundAfter(0);
});

test("a second rebuild beside the first is refused, and a reseal beside it leaves no row to be missed", async () => {
  const ids = await addPatients(12);
  let second: unknown;
  const sealing: Promise<unknown>[] = [];
  await rebuild({
    pausePerWork: 5,
    onStep: async (_tx, step) => {
      if (step === "begun") second = await rebuild().catch((error: unknown) => error);
    },
    onProgress: () => {
      const options = { all: true, batchRows: 3, onRows: async () => undefined };
      sealing.push(reseal(pool(), service.context.keyring, patients, options));
    },
  });
  await Promise.all(sealing);
  expect(second).toMatchObject({ code: "index_rebuild_busy" });
  expect(sealing.length).toBeGreaterThan(2);
  await expectOnlyTokensOfOneKey(12);
  for (const [n, id] of ids.entries()) await expectFound(n, id);
});

test("a writer who took the old key before the rebuild began is waited for, and its row is found", async () => {
  await addPatients(1);
  const { context } = service;
  const who = actor("admin");
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { promise: written, resolve: wrote } = Promise.withResolvers<string>();
  const writing = inTransaction(pool(), async (tx) => {
    const origin = { userId: null, source: null, createdBy: who.id, createdAt: new Date() };
    const fields = { ...ADA, familyName: nameOf(1), nationalId: "N-1", sex: "female" as const };
    const patient = newPatient(
      "018f0000-0000-7000-8000-000000000001",
      contentOf(patientResource, fields),
      origin,
    );
    const key = await createSubjectKey(tx, context.keyring, patient.id);
    const box = patients.seal(context.keyring, key, patient);
    await insert(tx, context, who, "patient:write", patientResource, [patient], [box]);
    wrote(patient.id);
    await gate;
  });
  const id = await written;
  const steps: string[] = [];
  const rebuilding = rebuild({ onStep: async (_tx, step) => void steps.push(step) });
  await delay(90);
  expect(steps).toEqual([]);
  open();
  await writing;
  expect(await rebuilding).toMatchObject({ finished: true });
  await expectFound(1, id);
  await expectOnlyTokensOfOneKey(2);
});

test("where a row does not open, the old key stays in use and the row is named", async () => {
  const [damaged, sound] = await addPatients(2);
  await pool().query(
    "update patients set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) where id = $1",
    [damaged],
  );
  expect(await rebuild()).toMatchObject({ finished: false, refused: [damaged] });
  await expectFound(1, sound);
  await pool().query(
    "update patients set sealed = set_byte(sealed, 60, get_byte(sealed, 60) # 1) where id = $1",
    [damaged],
  );
  expect(await rebuild()).toMatchObject({ finished: true });
  await expectFound(0, damaged);
});

test("the token of a shredded patient is gone afterwards", async () => {
  const [shredded] = await addPatients(2);
  await pool().query("delete from subject_keys where subject_id = $1", [shredded]);
  await rebuild();
  const { rows } = await pool().query("select national_id_token from patients where id = $1", [shredded]);
  expect(rows).toEqual([{ national_id_token: null }]);
});

test("a table that a restore swaps meanwhile is gone over again before the old key goes", async () => {
  const ids = await addPatients(8);
  let passes = 0;
  let swapped: Promise<void> | undefined;
  const result = await rebuild({
    pausePerWork: 100, // time for the swap, after the first batch
    onProgress: (rows) => {
      if (rows === 5) passes += 1;
      swapped ??= swapTable();
    },
  });
  await swapped;
  expect({ finished: result.finished, passes }).toEqual({ finished: true, passes: 2 });
  await expectOnlyTokensOfOneKey(8);
  await expectFound(0, ids[0]);
}, 30_000);

/** Another table of that name with the rows of before, as a restore leaves it. */
function swapTable(): Promise<void> {
  return service.superuser(
    `begin; alter table records.patients rename to patients_before;
     create table records.patients (like records.patients_before);
     insert into records.patients select * from records.patients_before;
     update records.patients set national_id_token = null;
     grant select, insert, update, delete on records.patients to medvault_records; commit`,
  );
}
