import { randomUUID } from "node:crypto";
import { inTransaction } from "@medvault/postgres";
import type { TestClient } from "@medvault/testing";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ASPIRIN, givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";
import { fromRows, plain } from "../../test/loaded-patients.ts";
import { loadPatients } from "./patient-load.service.ts";
import { projectorJobs, projectorMetrics } from "./projector.jobs.ts";
import { project } from "./projector.service.ts";
import { pruneChanges, readBacklog, readDocuments } from "./search-document.store.ts";
import { openDocuments } from "./search-document.ts";
import type { IndexPlace } from "./searched-row.store.ts";

const NEVER = new AbortController().signal;

let service: Records;
let place: IndexPlace;
let pool: pg.Pool;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  pool = service.pool;
  place = { db: pool, primary: pool, keyring: service.keyring };
});
afterAll(() => service?.close());
beforeEach(async () => {
  await project(service, NEVER);
  await pool.query("delete from search_changes");
  await pool.query("delete from search_horizons");
  doctor = service.someone("doctor");
});

async function givenCharts(count: number, prescriptions = 2): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const id = await givenPatient(doctor);
    ids.push(id);
    for (let row = 0; row < prescriptions; row += 1) await givenPrescription(doctor, id);
  }
  return ids.sort();
}

const waiting = async () =>
  (await pool.query("select from search_changes where not projected")).rowCount ?? 0;

const revisions = async (ids: readonly string[]) =>
  (await readDocuments(pool, ids)).map(({ id, rev }) => [id, rev]).sort();

/** What the documents of these say; null for one that is not of the rows of now. */
async function contents(ids: readonly string[]): Promise<unknown[]> {
  const stored = await readDocuments(pool, ids);
  const opened = await openDocuments(service.keyring, stored);
  return stored.map(({ print }, at) => (opened[at]?.print === print ? opened[at] : null));
}

async function expectWhole(ids: readonly string[]): Promise<void> {
  expect(await waiting()).toBe(0);
  expect(await contents(ids)).not.toContain(null);
  for (const one of await loadPatients(place, ids)) {
    expect(plain(one)).toEqual(await fromRows(service, one.patient.id));
  }
  expect(await waiting()).toBe(0); // no document was asked for
}

test("each patient who changed gets one document, in one transaction with the changes that are in it", async () => {
  const ids = await givenCharts(3);
  expect(await project(service, NEVER)).toBe(3);
  await expectWhole(ids);
  expect(await revisions(ids)).toEqual(ids.map((id) => [id, 1]));
  expect(await project(service, NEVER)).toBe(0);
  await givenPrescription(doctor, ids[1] ?? "");
  expect(await project(service, NEVER)).toBe(1);
  expect(await revisions(ids)).toEqual(ids.map((id, at) => [id, at === 1 ? 2 : 1]));
  await expectWhole(ids);
});

test("threat: a projector that is killed at any of its statements loses a change, or leaves a document half written", async () => {
  const ids = await givenCharts(3);
  await project(service, NEVER);
  for (const when of ["before", "after"] as const) {
    let killedAt = 1;
    for (let isOver = false; !isOver; killedAt += 1) {
      const [changed = ""] = ids;
      const rowId = await givenPrescription(doctor, changed);
      await doctor.delete(`/v1/prescriptions/${rowId}`);
      await doctor.patch(`/v1/patients/${ids[1]}`, { familyName: `Lund${killedAt}` });
      const before = await revisions(ids);
      const isDone = await project(
        { pool: dyingPool(pool, killedAt, when), keyring: service.keyring },
        NEVER,
      ).then(
        () => true,
        () => false,
      );
      isOver = isDone;
      // Both or none: what waits has its old document, what does not has the new one.
      const left = await waiting();
      if (left > 0) expect(await revisions(ids)).toEqual(before);
      else await expectWhole(ids);
      await project(service, NEVER);
      await expectWhole(ids);
    }
    expect(killedAt).toBeGreaterThan(8);
  }
});

test("of two projectors at once one works, and the other does nothing; nothing is written twice", async () => {
  const ids = await givenCharts(5);
  const counts = await Promise.all([
    project(service, NEVER),
    project(service, NEVER),
    project(service, NEVER),
  ]);
  expect(counts.reduce((sum, count) => sum + count)).toBe(5);
  expect(await revisions(ids)).toEqual(ids.map((id) => [id, 1]));
  await expectWhole(ids);
});

test("while one holds the lock another gives up at once, and takes over when the first is gone", async () => {
  const ids = await givenCharts(1);
  const lock = "select pg_advisory_xact_lock(hashtextextended('records/search-documents', 0))";
  await inTransaction(pool, async (tx) => {
    await tx.query(lock);
    expect(await project(service, NEVER)).toBe(0);
    expect(await waiting()).toBeGreaterThan(0);
  });
  expect(await project(service, NEVER)).toBe(1);
  await expectWhole(ids);
});

test("what commits while documents are written is in the next ones", async () => {
  const [id = ""] = await givenCharts(1);
  const slow = pausedPool(pool, "insert into search_documents", () => givenPrescription(doctor, id));
  await project({ pool: slow, keyring: service.keyring }, NEVER);
  expect(await waiting()).toBe(1);
  expect(await contents([id])).toEqual([null]);
  await project(service, NEVER);
  await expectWhole([id]);
});

test("a change that commits late is not taken for one that was projected", async () => {
  const [id = ""] = await givenCharts(1);
  await project(service, NEVER);
  await inTransaction(pool, async (tx) => {
    await tx.query("update patients set rev = rev where id = $1", [id]);
    await givenPrescription(doctor, id);
    await project(service, NEVER); // with later transactions than the one that is open
  });
  expect(await waiting()).toBe(1);
  await project(service, NEVER);
  await expectWhole([id]);
});

test("a row that was changed under the same revision is read again, not kept from the document before", async () => {
  const [id = ""] = await givenCharts(1, 1);
  const rowId = await givenPrescription(doctor, id, { medication: "Ibuprofen" });
  await project(service, NEVER);
  // As after a restore: the document is of a row at revision 2 that was written otherwise.
  await service.superuser(
    `create table public.before as select * from records.prescriptions where id = '${rowId}'`,
  );
  await doctor.put(`/v1/prescriptions/${rowId}`, { ...ASPIRIN, patientId: id, medication: "Wrong" });
  await project(service, NEVER);
  await service.superuser(
    `set session_replication_role = replica; delete from records.prescriptions where id = '${rowId}';
     delete from records.row_versions where row_id = '${rowId}';
     insert into records.prescriptions select * from public.before; drop table public.before`,
  );
  await doctor.put(`/v1/prescriptions/${rowId}`, { ...ASPIRIN, patientId: id, medication: "Right" });
  await project(service, NEVER);
  const [loaded] = await loadPatients(place, [id]);
  expect(loaded?.rows.find((row) => row.id === rowId)?.text).toContain("right");
});

test("a large document is written again after a pause by its size, and is right at once all the same", async () => {
  const [id = "", small = ""] = await givenCharts(2, 1);
  await project(service, NEVER);
  await givenManyRows(id, 12_000);
  await project(service, NEVER);
  await expectWhole([id]);
  for (const each of [id, small]) await givenPrescription(doctor, each);
  await pool.query("update search_documents set written_at = now() where patient_id = $1", [id]);
  expect(await project(service, NEVER)).toBe(1);
  expect((await readBacklog(pool)).patients).toBe(1);
  expect((await loadPatients(place, [id]))[0]?.rows).toHaveLength(12_002);
  await pool.query(
    "update search_documents set written_at = now() - interval '1 minute' where patient_id = $1",
    [id],
  );
  expect(await project(service, NEVER)).toBe(1);
  await expectWhole([id, small]);
  // A clock that was ahead holds up nothing.
  await pool.query(
    "update search_documents set written_at = now() + interval '1 day' where patient_id = $1",
    [id],
  );
  await givenPrescription(doctor, id);
  expect(await project(service, NEVER)).toBe(1);
  await expectWhole([id]);
});

test("a patient who is deleted while the document is written stops nothing", async () => {
  const [id = "", other = ""] = await givenCharts(2);
  const slow = pausedPool(pool, "insert into search_documents", () =>
    pool.query("delete from patients where id = $1", [id]),
  );
  const [job] = projectorJobs({ ...service.context, pool: slow });
  await job?.run({ signal: NEVER });
  await job?.run({ signal: NEVER });
  await expectWhole([other]);
});

test("changes stay for readers of the next hour, then they go, but none that is in no document", async () => {
  const [one = "", two = ""] = await givenCharts(2);
  await project(service, NEVER);
  const [, job] = projectorJobs(service.context);
  const prune = () => job?.run({ signal: NEVER });
  const left = async () => {
    const { rows } = await pool.query<{ id: string }>(
      "select patient_id as id from search_changes order by 1",
    );
    return rows.map(({ id }) => id);
  };
  await prune();
  expect((await pool.query("select from search_horizons")).rowCount).toBe(1);
  // As noted by a server on which nobody else is in a transaction.
  const noted = async (minutesAgo: number) => {
    await pool.query("delete from search_horizons");
    await pool.query(
      `insert into search_horizons (noted_at, horizon)
       values (now() - $1 * interval '1 minute', pg_snapshot_xmax(pg_current_snapshot()))`,
      [minutesAgo],
    );
  };
  const all = await left();
  await noted(64);
  await prune();
  expect(await left()).toEqual(all);
  await noted(66);
  await givenPrescription(doctor, one);
  await project(service, NEVER);
  await pool.query("update search_changes set projected = false where patient_id = $1", [two]);
  await prune();
  expect(await left()).toEqual(
    all
      .filter((id) => id === two)
      .concat(one)
      .sort(),
  );
  await project(service, NEVER);
  await noted(66);
  await prune();
  expect(await left()).toEqual([]);
});

test("metrics say how many documents wait, and since when", async () => {
  const read = () => projectorMetrics(service.context).map((metric) => metric.read());
  const [job] = projectorJobs(service.context);
  await pruneChanges(pool, 1);
  await givenCharts(3);
  await pool.query("insert into search_horizons (noted_at, horizon) values (now() - interval '300 s', '5')");
  await job?.run({ signal: NEVER });
  expect(read()).toEqual([3, expect.closeTo(300, -1)]);
  await job?.run({ signal: NEVER });
  expect(read()).toEqual([0, 0]);
});

/** Copies of one row under other ids: they do not open, and are as many as any. */
async function givenManyRows(patientId: string, count: number): Promise<void> {
  const columns = await pool.query<{ names: string }>(
    `select string_agg(quote_ident(attname), ', ') as names from pg_attribute
      where attrelid = 'prescriptions'::regclass and attnum > 0 and not attisdropped and attname <> 'id'`,
  );
  const names = columns.rows[0]?.names;
  await pool.query(
    `insert into prescriptions (id, ${names}) select x.id, ${names} from prescriptions p, unnest($2::uuid[]) x (id) where p.patient_id = $1`,
    [patientId, Array.from({ length: count }, () => randomUUID())],
  );
}

type Query = (text: string, values?: unknown[]) => Promise<unknown>;

/** Whose transactions go through `query`. */
function poolThrough(
  real: pg.Pool,
  through: (client: pg.PoolClient, text: string, query: () => Promise<unknown>) => Promise<unknown>,
) {
  return new Proxy(real, {
    get: (target, name) => {
      if (name !== "connect") return Reflect.get(target, name, target);
      return async () => {
        const client = await target.connect();
        const query = client.query.bind(client) as Query;
        const bound: Query = (text, values) => through(client, text, () => query(text, values));
        return new Proxy(client, {
          get: (of, key) => {
            const value = Reflect.get(of, key, of);
            return key === "query" ? bound : typeof value === "function" ? value.bind(of) : value;
          },
        });
      };
    },
  });
}

/** The process is killed before or after its nth statement: nothing more comes from it. */
function dyingPool(real: pg.Pool, nth: number, when: "before" | "after"): pg.Pool {
  let count = 0;
  return poolThrough(real, async (client, _text, query) => {
    count += 1;
    if (count < nth) return query();
    if (count === nth && when === "after") await query();
    const { processID } = client as unknown as { processID: number };
    if (count === nth) await service.superuser(`select pg_terminate_backend(${processID}, 5000)`);
    throw new Error("killed");
  });
}

/** Something happens just before a statement, once. */
function pausedPool(real: pg.Pool, before: string, happens: () => Promise<unknown>): pg.Pool {
  let isOver = false;
  return poolThrough(real, async (_client, text, query) => {
    if (!isOver && text.includes(before)) {
      isOver = true;
      await happens();
    }
    return query();
  });
}
