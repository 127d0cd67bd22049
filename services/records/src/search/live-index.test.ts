import { createPool, type Db, migrateService } from "@medvault/postgres";
import { searchWords } from "@medvault/search";
import { createProxy, type TestClient } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { hospital, load } from "../../test/fhir.ts";
import { givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";
import { openSearch, type Search } from "./search.service.ts";

let service: Records;
let doctor: TestClient;
let admin: TestClient;
let patientId: string;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());
beforeEach(async () => {
  doctor = service.someone("doctor");
  admin = service.someone("admin");
  patientId = await givenPatient(doctor);
});

const opened: Search[] = [];
afterAll(() => Promise.all(opened.map((search) => search.stop())));

/** An index of its own, as a process that was just started has it. */
function started(db: Db = service.pool, memoryMib = 64): Search {
  const search = openSearch({ db, primary: db, keyring: service.keyring }, memoryMib);
  opened.push(search);
  return search;
}
const find = async (search: Search, q: string, by = doctor) => {
  const asked = { words: searchWords(q), chart: null };
  return (await search.rows(by.actor, "prescription:search", asked, null, 1_000)).map(({ id }) => id);
};

test("a doctor's first search is right while everyone else is still being loaded, and what cannot be answered in full is not", async () => {
  for (let n = 0; n < 5; n += 1) {
    const other = service.someone("doctor");
    await givenPrescription(other, await givenPatient(other), { medication: "Early 1 mg" });
  }
  const id = await givenPrescription(doctor, patientId, { medication: "Early 2 mg" });
  const { db, hold, release } = heldBack(service.pool, "select id from patients");
  const search = started(db);
  hold();
  const loading = search.index.loadAll();
  expect(await find(search, "early")).toEqual([id]);
  await expect(find(search, "early", admin)).rejects.toMatchObject({ code: "search_loading" });
  release();
  await loading;
  expect(await find(search, "early", admin)).toHaveLength(6);
});

test("threat: what is loaded is older than what was read of it meanwhile, and takes its place", async () => {
  const other = service.someone("doctor");
  await doctor.put(`/v1/patients/${patientId}/care-team/${other.actor.id}`);
  const id = await givenPrescription(doctor, patientId, { medication: "Before 1 mg" });
  const gone = await givenPrescription(doctor, patientId, { medication: "Gone 1 mg" });
  const { db, hold, release, isHeld } = heldBack(service.pool, 'from "prescriptions" r');
  const search = started(db);
  hold();
  const first = find(search, "before");
  await expect.poll(isHeld).toBe(true);
  const body = {
    medication: "After 1 mg",
    dosage: "d",
    startDate: "2026-01-15",
    status: "active",
    patientId,
  };
  await doctor.put(`/v1/prescriptions/${id}`, body);
  await doctor.delete(`/v1/prescriptions/${gone}`);
  await search.index.fresh();
  release();
  await first;
  expect(await find(search, "before", other)).toEqual([]);
  expect(await find(search, "gone", other)).toEqual([]);
  expect(await find(search, "after", other)).toEqual([id]);
});

test("after an import of thousands only those wait who reach what changed", async () => {
  const other = service.someone("doctor");
  const theirs = await givenPrescription(other, await givenPatient(other), { medication: "Imported 0 mg" });
  const id = await givenPrescription(doctor, patientId, { medication: "Imported 1 mg" });
  const { db, hold, release, isHeld } = heldBack(service.pool, 'from "prescriptions" r');
  const search = started(db);
  await search.index.loadAll();
  const next = await givenPrescription(doctor, patientId, { medication: "Imported 2 mg" });
  await service.pool.query(
    "insert into search_changes (patient_id, row_id) select $1, gen_random_uuid() from generate_series(1, 1001)",
    [patientId],
  );
  hold();
  const [mine, all] = [find(search, "imported"), find(search, "imported", admin)];
  await expect.poll(isHeld).toBe(true);
  expect(await find(search, "imported", other)).toEqual([theirs]);
  release();
  expect(await mine).toEqual([next, id]);
  expect(await all).toEqual([next, id, theirs]);
});

test("a restore puts other tables in the place of ours: the next search knows only them", async () => {
  const kept = await givenPrescription(doctor, patientId, { medication: "Restored 1 mg" });
  const search = started();
  await search.index.loadAll();
  expect(await find(search, "restored", admin)).toEqual([kept]);
  const owner = new pg.Client({ connectionString: service.database.ownerUrl });
  await owner.connect();
  try {
    await migrateService(owner, "records", { schema: "records_new" });
    for (const table of ["patients", "care_team", "prescriptions"]) {
      await owner.query(`alter table records_new.${table} disable trigger user`);
      await owner.query(`insert into records_new.${table} select * from records.${table}`);
      await owner.query(`alter table records_new.${table} enable trigger user`);
    }
    const since = await givenPrescription(doctor, patientId, { medication: "Restored 2 mg" });
    expect(await find(search, "restored")).toEqual([since, kept]);
    await owner.query(
      "begin; alter schema records rename to records_old; alter schema records_new rename to records; commit",
    );
  } finally {
    await owner.end();
  }
  for (const by of [doctor, admin]) expect(await find(search, "restored", by)).toEqual([kept]);
  const next = await givenPrescription(doctor, patientId, { medication: "Restored 3 mg" });
  for (const by of [doctor, admin]) expect(await find(search, "restored", by)).toEqual([next, kept]);
});

test("what a slow process has not read may be pruned: it loads everything again", async () => {
  const old = await givenPrescription(doctor, patientId, { medication: "Pruned 1 mg" });
  const search = started();
  await search.index.loadAll();
  await find(search, "pruned", admin);
  const noted = (horizon: string) =>
    service.pool.query(
      `insert into search_horizons (noted_at, horizon) values (now() - interval '61 minutes', ${horizon})`,
    );
  await noted("'3'");
  await search.index.fresh();
  expect(search.index.warmth, "of what it had read already").toBe("whole");
  const id = await givenPrescription(doctor, patientId, { medication: "Pruned 2 mg" });
  await noted("pg_current_xact_id()");
  await service.pool.query("delete from search_changes");
  for (const by of [doctor, admin]) expect(await find(search, "pruned", by)).toEqual([id, old]);
  await service.pool.query("delete from search_horizons");
});

test("at its limit of memory it answers in full or not at all, and says which setting it is", async () => {
  const id = await givenPrescription(doctor, patientId, { medication: "Fitting 1 mg" });
  const large = service.someone("doctor");
  const { put, patient, subject } = hospital("full");
  const orders = Array.from({ length: 1_500 }, (_, n) =>
    put({
      resourceType: "MedicationRequest",
      id: `m${n}`,
      ...{ status: "active", intent: "order", subject },
      medicationCodeableConcept: { text: `Fitting ${String(n).repeat(980).slice(0, 980)}` },
    }),
  );
  expect((await load(large, [patient(), ...orders])).status).toBe(200);
  const { db, hold, release, isHeld } = heldBack(service.pool, "select id from patients");
  const search = started(db, 4);
  const refused = {
    code: "search_memory_full",
    kind: "unavailable",
    retryAfterSeconds: 60,
    message: expect.stringContaining("MEDVAULT_SEARCH_MEMORY_MIB"),
  };
  expect(await find(search, "fitting")).toEqual([id]);
  await expect(search.index.loadAll()).rejects.toMatchObject(refused);
  for (const by of [large, admin]) await expect(find(search, "fitting", by)).rejects.toMatchObject(refused);
  const next = await givenPrescription(doctor, patientId, { medication: "Fitting 2 mg" });
  expect(await find(search, "fitting")).toEqual([next, id]);
  expect(search.index.warmth).toBe("full");

  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + 61_000);
  onTestFinished(() => {
    clock.mockRestore();
    release();
  });
  hold();
  await expect(find(search, "fitting", admin), "while it tries again").rejects.toMatchObject(refused);
  expect(isHeld()).toBe(true);
  clock.mockRestore();
  release();
  await expect.poll(() => search.index.warmth).toBe("full");
  await expect(find(search, "fitting", admin)).rejects.toMatchObject(refused);
  await service.pool.query(
    "delete from prescriptions x using care_team c where c.patient_id = x.patient_id and c.user_id = $1",
    [large.actor.id],
  );
  expect(await find(search, "fitting", large)).toEqual([]);
});

test("while the database is away a search is refused, and right again once it is back", async () => {
  const id = await givenPrescription(doctor, patientId, { medication: "Away 1 mg" });
  const proxy = await createProxy(service.database.url("records"));
  const pool = createPool({ connectionString: proxy.url, applicationName: "test", schema: "records" });
  try {
    const search = started(pool);
    expect(await find(search, "away")).toEqual([id]);
    proxy.cut();
    await expect(find(search, "away")).rejects.toMatchObject({ kind: "unavailable" });
    const next = await givenPrescription(doctor, patientId, { medication: "Away 2 mg" });
    await expect(find(search, "away")).rejects.toMatchObject({ kind: "unavailable" });
    proxy.restore();
    expect(await find(search, "away")).toEqual([next, id]);
    proxy.stall();
    await expect(find(search, "away")).rejects.toMatchObject({ kind: "unavailable" });
  } finally {
    await proxy.close();
    await pool.end();
  }
});

test("a stop in the middle of loading ends cleanly", async () => {
  const { db, hold, release, isHeld } = heldBack(service.pool, "select id from patients");
  const search = started(db);
  hold();
  const loading = search.index.loadAll();
  await expect.poll(isHeld).toBe(true);
  const stopped = search.stop();
  release();
  await Promise.all([loading, stopped]);
  expect(search.index.warmth).toBe("loading");
});

/** Keeps back the answers of statements with this text, from `hold` to `release`. */
function heldBack(pool: pg.Pool, text: string) {
  let gate: { promise: Promise<void>; resolve: () => void } | null = null;
  let waiting = 0;
  const db = {
    async query(...args: Parameters<Db["query"]>) {
      const result = await (pool.query as (...args: unknown[]) => Promise<unknown>)(...args);
      if (gate && String(args[0]).includes(text)) {
        waiting += 1;
        await gate.promise;
      }
      return result;
    },
  } as unknown as Db;
  return {
    db,
    hold: () => {
      gate = Promise.withResolvers<void>();
    },
    release: () => {
      gate?.resolve();
      gate = null;
    },
    isHeld: () => waiting > 0,
  };
}
