import { randomBytes } from "node:crypto";
import { newId } from "@medvault/contracts";
import { migrateService } from "@medvault/postgres";
import { createTestDatabase, type TestDatabase } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";

// As a restore has it: a schema of its own, of the version before the tokens went.
const SCHEMA = "records_before";
const LAST = "0014_search.sql";
const MARK = randomBytes(4).toString("hex");

let database: TestDatabase;
let owner: pg.Client;
let superuser: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase(["records"]);
  owner = new pg.Client({ connectionString: database.ownerUrl });
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await Promise.all([owner.connect(), superuser.connect()]);
});
afterAll(async () => {
  await Promise.all([owner?.end(), superuser?.end()]);
  await database?.drop();
});

/** Every file of the schema's tables, with what lies beside them, that has the mark in it. */
async function filesWithMark(): Promise<string[]> {
  await superuser.query("checkpoint");
  const { rows } = await superuser.query<{ name: string; content: Buffer }>(
    `select c.relname as name, pg_read_binary_file(pg_relation_filepath(c.oid)) as content
       from pg_class t
       join pg_class c on c.oid in (t.oid, t.reltoastrelid)
         or c.oid in (select indexrelid from pg_index i where i.indrelid in (t.oid, t.reltoastrelid))
      where t.relnamespace = $1::regnamespace and t.relkind = 'r' and pg_relation_filepath(c.oid) is not null`,
    [SCHEMA],
  );
  return rows.filter(({ content }) => content.includes(MARK)).map(({ name }) => name);
}

test("threat: tokens of names and medications that a thief of the disk finds in tables that have no such column any more", async () => {
  await migrateService(owner, "records", { schema: SCHEMA, upTo: LAST });
  await owner.query(`set search_path = ${SCHEMA}, records_sys`);
  const patientId = newId();
  const token = Buffer.from(MARK).readBigInt64LE().toString(); // as it lies on the disk
  const long = Array.from({ length: 900 }, (_, n) => `phone/${MARK}${n}${randomBytes(9).toString("hex")}`);
  await owner.query("alter table patients alter column added_tokens set storage external"); // not compressed
  await owner.query(
    `insert into patients (id, created_by, created_at, updated_at, name_tokens, birth_date_token, added_tokens,
                           rev, open, sealed)
     values ($1, $1, now(), now(), array[$2::bigint], $3, $4, 1, '{}', $5)`,
    [patientId, token, Buffer.from(MARK), long, randomBytes(9_000)],
  );
  const boxes = [randomBytes(300), randomBytes(9_000)];
  for (const sealed of boxes)
    await owner.query(
      `insert into prescriptions (id, patient_id, prescribed_by, status, start_date, created_at, updated_at,
                                  medication_tokens, added_tokens, rev, open, sealed)
       values ($1, $2, $2, 'active', now(), now(), now(), array[$3::bigint], array[$4], 1, '{}', $5)`,
      [newId(), patientId, token, `medication/${MARK}`, sealed],
    );
  expect(await filesWithMark()).toEqual(
    expect.arrayContaining(["patients", "prescriptions", expect.stringMatching(/^pg_toast/)]),
  );

  await migrateService(owner, "records", { schema: SCHEMA });
  expect(await filesWithMark()).toEqual([]);
  const { rows } = await owner.query<{ sealed: Buffer }>(
    `select sealed from ${SCHEMA}.prescriptions order by octet_length(sealed)`,
  );
  expect(rows.map(({ sealed }) => sealed)).toEqual(boxes);
});
