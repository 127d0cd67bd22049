import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Db, inTransaction, type ServiceName } from "@medvault/postgres";
import { createTestDatabase, type TestDatabase } from "@medvault/testing";
import type pg from "pg";
import { afterAll, expect, onTestFinished, TestRunner } from "vitest";
import { Keyring } from "../src/keyring/keyring.ts";
import { createSubjectKey, createSubjectKeys } from "../src/keyring/subject-keys.ts";
import { envKeyProvider } from "../src/providers/env-provider.ts";
import { closeSealPool } from "../src/sealed-tables/seal-pool.ts";
import { type SealedRow, sealedTable } from "../src/sealed-tables/sealed-table.ts";

/** A keyring in no file; its service key is random unless it is given. */
export function testKeyring(service: string, serviceKey = randomBytes(32), maxOpenedKeys?: number): Keyring {
  const key = serviceKey.toString("base64");
  const versions = [{ version: 1, state: "active", key, createdAt: "2026-01-31T00:00:00Z" }];
  return new Keyring(service, envKeyProvider(JSON.stringify({ service, versions }), service), maxOpenedKeys);
}

/** A database that is dropped at the end of the file that asks for it. */
export async function givenDatabase(...services: ServiceName[]): Promise<TestDatabase> {
  const database = await createTestDatabase(services);
  afterAll(async () => {
    await closeSealPool();
    await database.drop();
  });
  return database;
}

/** A folder that is removed at the end of the test, or of the file, that asks for it. */
export async function givenFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "medvault-keys-"));
  const remove = () => rm(folder, { recursive: true });
  if (TestRunner.getCurrentTest()) onTestFinished(remove);
  else afterAll(remove);
  return folder;
}

/** A table of the records service without foreign keys, as any service would declare it. */
export interface Kept {
  id: string;
  rev: number;
  subjectId: string;
  createdAt: Date;
  fullUrl: string | null;
  resource: unknown;
}

export const kept = sealedTable<Kept>({
  service: "records",
  table: "fhir_resources",
  subject: "subject_id",
  typed: ["subject_id", "created_at"],
  sealed: ["full_url", "resource"],
});

export function keptOf(subjectId: string, text: string): Kept {
  return {
    id: randomUUID(),
    rev: 1,
    subjectId,
    createdAt: new Date("2026-01-31T10:00:00Z"),
    fullUrl: null,
    resource: { text },
  };
}

/** Stores one row for each subject, whose keys are made. */
export async function storeMany(db: Db, keyring: Keyring, subjects: readonly string[]): Promise<Kept[]> {
  const keys = await createSubjectKeys(db, keyring, subjects);
  const values = subjects.map((subject, n) => keptOf(subject, `text ${n}`));
  const boxes = await kept.sealMany(
    keyring,
    values.map((value) => ({ value, subjectKey: keys.get(value.subjectId) ?? Buffer.alloc(0) })),
  );
  await db.query(
    `insert into fhir_resources (id, subject_id, created_at, rev, open, sealed)
     select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int[], $5::jsonb[], $6::bytea[])`,
    [
      values.map(({ id }) => id),
      values.map(({ subjectId }) => subjectId),
      values.map(({ createdAt }) => createdAt),
      values.map(({ rev }) => rev),
      boxes.map(({ open }) => JSON.stringify(open)),
      boxes.map(({ sealed }) => sealed),
    ],
  );
  return values;
}

/** As a service does it: a new subject and its first row. */
export async function storeOne(db: Db, keyring: Keyring, value: Kept): Promise<void> {
  const subjectKey = await createSubjectKey(db, keyring, value.subjectId);
  const { open, sealed } = kept.seal(keyring, subjectKey, value);
  await db.query(
    `insert into fhir_resources (id, subject_id, created_at, rev, open, sealed) values ($1, $2, $3, $4, $5, $6)`,
    [value.id, value.subjectId, value.createdAt, value.rev, open, sealed],
  );
}

export async function readOne(
  db: Db,
  keyring: Keyring,
  id: string,
): Promise<{ value: Kept; subjectKey: Buffer } | null> {
  const { rows } = await db.query<SealedRow>(
    `select f.id, f.subject_id, f.created_at, f.rev, f.open, f.sealed, k.wrapped as subject_key
       from fhir_resources f join subject_keys k on k.subject_id = f.subject_id where f.id = $1`,
    [id],
  );
  const [row] = rows;
  return row ? { value: kept.open(keyring, row), subjectKey: row.subject_key } : null;
}

/** Reads a row and writes it as the next revision. Returns whether no other writer was faster. */
export async function changeOne(db: Db, keyring: Keyring, id: string, text: string): Promise<boolean> {
  const found = await readOne(db, keyring, id);
  if (!found) throw new Error("the row is gone");
  const rev = found.value.rev + 1;
  const box = kept.seal(keyring, found.subjectKey, { ...found.value, rev, resource: { text } });
  const { rowCount } = await db.query(
    "update fhir_resources set rev = $2, open = $3, sealed = $4 where id = $1 and rev = $2 - 1",
    [id, rev, box.open, box.sealed],
  );
  return rowCount === 1;
}

/** A service's requests, one every 20 ms, by each keyring in turn: reads, changes and new rows. */
export function startTraffic(pool: pg.Pool, keyrings: readonly Keyring[], rows: readonly Kept[]) {
  const failures: unknown[] = [];
  const requests: Promise<void>[] = [];
  let answered = 0;
  const request = async (n: number): Promise<void> => {
    const keyring = keyrings[n % keyrings.length] as Keyring;
    const { id = "" } = rows[(n * 7_919) % rows.length] ?? {};
    try {
      if (n % 3 === 0) expect(await readOne(pool, keyring, id)).not.toBeNull();
      else if (n % 3 === 1) await changeOne(pool, keyring, id, `changed ${n}`);
      else await inTransaction(pool, (tx) => storeOne(tx, keyring, keptOf(randomUUID(), `new ${n}`)));
    } catch (error) {
      failures.push(error);
    }
    answered += 1;
  };
  const timer = setInterval(() => requests.push(request(requests.length)), 20);
  return {
    failures,
    answered: () => answered,
    async stop() {
      clearInterval(timer);
      await Promise.all(requests);
    },
  };
}
