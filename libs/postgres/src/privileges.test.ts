import type pg from "pg";
import { afterAll, expect, test } from "vitest";
import { connected, createScratch, provisioned } from "../test/harness.ts";
import { ddl } from "./identifiers.ts";
import { assertServiceMigrated, migrateService } from "./migrate-service.ts";
import { grantDatabase, provisionSchemas } from "./provision.ts";
import { scramVerifier } from "./scram.ts";
import { SERVICES_WITH_DATA } from "./services.ts";

const SERVER = process.env.MEDVAULT_TEST_DATABASE_URL;
const DENIED = "42501";
const scratch = await provisioned(SERVER);
const owner = await scratch.as("owner");
await owner.query("create table records.things (id int generated always as identity primary key, note text)");
await owner.query("create table records_sys.keys (name text)");
await owner.query("create table records_sys.secrets (name text)");
await owner.query("create table auth.accounts (id int)");
await owner.query("create function records.f() returns int language sql as 'select 1'");
const records = await scratch.as("records");
const backup = await scratch.as("backup");

afterAll(() => scratch.drop());

async function denied(client: pg.Client, sql: string): Promise<void> {
  await expect(client.query(sql), sql).rejects.toMatchObject({ code: DENIED });
}

test("a service reads and writes its own two schemas by unqualified names", async () => {
  await records.query("insert into things (note) values ('a')");
  await records.query("update things set note = 'b'");
  expect((await records.query("select note from things")).rows).toEqual([{ note: "b" }]);
  await records.query("delete from things");
  await records.query("insert into keys values ('k')");
  expect((await records.query("select f()")).rows).toEqual([{ f: 1 }]);
});

test("a service cannot read another's schema, nor the public one", async () => {
  const auth = await scratch.as("auth");
  await denied(auth, "select from records.things");
  await denied(auth, "select from records_sys.keys");
  await denied(auth, "select records.f()");
  await denied(records, "select from auth.accounts");
  await denied(records, "insert into auth.accounts values (1)");
  const { rows } = await records.query("select has_schema_privilege('public', 'usage') as usage");
  expect(rows).toEqual([{ usage: false }]);
});

test("a service cannot create, alter, drop, truncate or grant", async () => {
  await denied(records, "create table things2 ()");
  await denied(records, "create table records_sys.things2 ()");
  await denied(records, "create temporary table t ()");
  await denied(records, "create schema mine");
  await denied(records, "alter table things add column x int");
  await denied(records, "drop table things");
  await denied(records, "truncate things");
  await denied(records, "create table public.t ()");
  // Granting what one may not pass on is only a warning in Postgres; the privilege must be absent.
  await records.query("grant select on things to medvault_auth").catch(() => {});
  const { rows } = await scratch.superuser.query(
    "select has_table_privilege('medvault_auth', 'records.things', 'select') as may",
  );
  expect(rows).toEqual([{ may: false }]);
});

test("a service cannot become another role, nor the owner", async () => {
  await denied(records, "set role medvault_owner");
  await denied(records, "set role medvault_auth");
  await expect(records.query("alter role medvault_records superuser")).rejects.toMatchObject({
    code: DENIED,
  });
});

test("the backup role reads ciphertext of auth, records and files and the key tables, and changes nothing", async () => {
  await backup.query("select from records.things");
  await backup.query("select from auth.accounts");
  await denied(backup, "insert into records.things (note) values ('x')");
  await denied(backup, "delete from records.things");
  await denied(backup, "select from records_sys.secrets");
});

test("nothing in this database is PUBLIC's", async () => {
  const { rows } = await scratch.superuser.query(
    `select has_database_privilege('public', current_database(), 'connect') as connect,
            has_database_privilege('public', current_database(), 'temporary') as temporary,
            has_schema_privilege('public', 'records', 'usage') as schema,
            has_function_privilege('public', 'records.f()', 'execute') as function`,
  );
  expect(rows).toEqual([{ connect: false, temporary: false, schema: false, function: false }]);
});

test("the roles are not mighty", async () => {
  const { rows } = await scratch.superuser.query(
    `select count(*)::int as roles from pg_roles where rolname like 'medvault\\_%'
      and not (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls or rolinherit)`,
  );
  expect(rows).toEqual([{ roles: SERVICES_WITH_DATA.length + 1 }]);
});

test("provisioning again changes nothing", async () => {
  const acl = "select nspname, nspacl::text from pg_namespace where nspname ~ '^(auth|records)' order by 1";
  const before = (await scratch.superuser.query(acl)).rows;
  await provisionSchemas(scratch.superuser);
  expect((await scratch.superuser.query(acl)).rows).toEqual(before);
});

test("a service migrates, boots, and cannot rewrite its history; a second schema has the same privileges", async () => {
  const applied = await migrateService(owner, "files");
  expect(applied.applied).toContain("messaging/0001_outbox.sql");
  const files = await scratch.as("files");
  await assertServiceMigrated({ query: (text, values) => files.query(text, values && [...values]) }, "files");
  await denied(files, "delete from files_sys.schema_migrations");
  await denied(files, "insert into files.schema_migrations (name, checksum) values ('x', 'x')");
  await denied(files, "begin; lock table files.schema_migrations in share row exclusive mode");
  await files.query("rollback");

  await migrateService(owner, "files", { schema: "files_restored" });
  await owner.query("create table files_restored.probe (id int)");
  await files.query("insert into files_restored.probe values (1)");
  await backup.query("select from files_restored.probe");
  await denied(records, "select from files_restored.probe");

  await owner.query("begin");
  await owner.query("alter schema files rename to files_old");
  await owner.query("alter schema files_restored rename to files");
  await owner.query("commit");
  expect((await files.query("select id from probe")).rows).toEqual([{ id: 1 }]);
  expect(await migrateService(owner, "files")).toEqual({ applied: [] });
  await owner.query("drop schema files_old cascade");
});

test("two set-ups and three migrators at once take turns", async () => {
  const fresh = await provisioned(SERVER);
  const superusers = await Promise.all([1, 2].map(() => connected(fresh.superuserUrl)));
  const owners = await Promise.all([1, 2, 3].map(() => fresh.as("owner")));
  await Promise.all([
    ...superusers.map(async (client) => {
      await provisionSchemas(client);
      await grantDatabase(client);
    }),
    ...owners.map((client) => migrateService(client, "files")),
  ]);
  expect(await migrateService(await fresh.as("owner"), "files")).toEqual({ applied: [] });
  await Promise.all(superusers.map((client) => client.end()));
  await fresh.drop();
});

test("an administrator who is no superuser can provision too, as managed servers have it", async () => {
  const managed = await createScratch(SERVER);
  const admin = `medvault_test_admin_${Date.now()}`;
  await managed.superuser.query(
    ddl("create role %I login createrole password %L", admin, "an-administrator-of-a-cloud"),
  );
  await managed.superuser.query(ddl("alter database %I owner to %I", managed.name, admin));
  const client = await connected(managed.url(admin, "an-administrator-of-a-cloud"));
  try {
    // The roles are there, for other tests too; what is left is what an administrator does next.
    await managed.superuser.query(ddl("grant medvault_owner to %I with admin option", admin));
    await client.query("grant medvault_owner to current_user");
    await provisionSchemas(client);
    await grantDatabase(client);
    const { rows } = await client.query(
      "select has_schema_privilege('medvault_files', 'files', 'usage') as own, has_schema_privilege('medvault_files', 'auth', 'usage') as other",
    );
    expect(rows).toEqual([{ own: true, other: false }]);
  } finally {
    await client.end();
    await managed.drop();
    await scratch.superuser.query(ddl("drop role %I", admin));
  }
});

test("SCRAM verifiers are Postgres' own: one signs in with the password and with no other", async () => {
  const role = `medvault_test_login_${Date.now()}`;
  const password = "correct-horse-battery-staple";
  const verifier = await scramVerifier(password);
  await scratch.superuser.query(ddl("create role %I login password %L", role, verifier));
  await scratch.superuser.query(ddl("grant connect on database %I to %I", scratch.name, role));
  try {
    await (await connected(scratch.url(role, password))).end();
    await expect(connected(scratch.url(role, "wrong-horse-battery"))).rejects.toMatchObject({
      code: "28P01",
    });
  } finally {
    await scratch.superuser.query(ddl("drop owned by %I", role));
    await scratch.superuser.query(ddl("drop role %I", role));
  }
  await expect(scramVerifier("short")).rejects.toThrow("16 to 256");
});
