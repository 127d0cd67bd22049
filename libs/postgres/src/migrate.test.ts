import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { connected, createScratch, migrationFolder } from "../test/harness.ts";
import { assertMigrated, migrate } from "./migrate.ts";

const SERVER = process.env.MEDVAULT_TEST_DATABASE_URL;
const scratch = await createScratch(SERVER);
const { superuser } = scratch;
let folder: Awaited<ReturnType<typeof migrationFolder>>;

afterAll(() => scratch.drop());
beforeEach(async () => {
  await superuser.query("drop schema if exists shop cascade");
  await superuser.query("create schema shop");
  folder = await migrationFolder({
    "0001_items.sql": "create table items (id int primary key);",
    "0002_price.sql": "alter table items add column price int;",
  });
});
afterEach(() => folder.remove());

const options = () => ({ schema: "shop", searchPath: ["shop"], sources: [{ prefix: "", dir: folder.dir }] });

async function columns(): Promise<string[]> {
  const { rows } = await superuser.query<{ column_name: string }>(
    `select column_name from information_schema.columns
      where table_schema = 'shop' and table_name = 'items' order by ordinal_position`,
  );
  return rows.map((row) => row.column_name);
}

async function history(): Promise<string[]> {
  const { rows } = await superuser.query<{ name: string }>(
    "select name from shop.schema_migrations order by name",
  );
  return rows.map((row) => row.name);
}

test("files are applied in order, once, into the schema", async () => {
  expect(await migrate(superuser, options())).toEqual({ applied: ["0001_items.sql", "0002_price.sql"] });
  expect(await columns()).toEqual(["id", "price"]);
  expect(await migrate(superuser, options())).toEqual({ applied: [] });
  await assertMigrated(superuser, options());
});

test("upTo stops after that file, and a later run goes on", async () => {
  expect(await migrate(superuser, { ...options(), upTo: "0001_items.sql" })).toEqual({
    applied: ["0001_items.sql"],
  });
  await expect(migrate(superuser, { ...options(), upTo: "0009_no.sql" })).rejects.toThrow("not known");
  expect(await migrate(superuser, options())).toEqual({ applied: ["0002_price.sql"] });
});

test("drift: a file changed after it was applied is refused, by the migrator and at boot", async () => {
  await migrate(superuser, options());
  await folder.write("0001_items.sql", "create table items (id bigint primary key);");
  await folder.write("0003_more.sql", "alter table items add column more int;");
  await expect(migrate(superuser, options())).rejects.toMatchObject({ name: "MigrationDrift" });
  await expect(assertMigrated(superuser, options())).rejects.toMatchObject({ name: "MigrationDrift" });
  expect(await columns()).toEqual(["id", "price"]);
});

test("half-applied: of a file that fails nothing stays, what came before it does, and mending it goes on", async () => {
  await folder.write(
    "0003_bad.sql",
    "alter table items add column a int; alter table nothing add column b int;",
  );
  await expect(migrate(superuser, options())).rejects.toMatchObject({ name: "MigrationFailed" });
  expect(await columns()).toEqual(["id", "price"]);
  expect(await history()).toEqual(["0001_items.sql", "0002_price.sql"]);
  await expect(assertMigrated(superuser, options())).rejects.toThrow(
    "lacks migration 0003_bad.sql; run `npm run migrate`",
  );
  await folder.write("0003_bad.sql", "alter table items add column a int;");
  await migrate(superuser, options());
  expect(await columns()).toEqual(["id", "price", "a"]);
});

test("a migrator that dies in the middle of a file leaves no trace of it", async () => {
  await folder.write("0003_slow.sql", "alter table items add column slow int; select pg_sleep(30);");
  const victim = await connected(scratch.superuserUrl);
  const { rows } = await victim.query<{ pid: number }>("select pg_backend_pid() as pid");
  const dying = migrate(victim, options());
  const died = expect(dying).rejects.toThrow();
  await expect
    .poll(async () => {
      const { rows: busy } = await superuser.query(
        "select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'",
        [rows[0]?.pid],
      );
      return busy.length;
    })
    .toBe(1);
  await superuser.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
  await died;
  expect(await columns()).toEqual(["id", "price"]);
  await rm(join(folder.dir, "0003_slow.sql"));
  expect(await migrate(superuser, options())).toEqual({ applied: [] });
});

test("two migrators at once take turns: each file is applied once", async () => {
  const files = Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [
      `00${i + 10}_column.sql`,
      `alter table items add column c${i} int;`,
    ]),
  );
  for (const [file, sql] of Object.entries(files)) await folder.write(file, sql);
  const clients = await Promise.all([1, 2, 3, 4].map(() => connected(scratch.superuserUrl)));
  const results = await Promise.all(clients.map((client) => migrate(client, options())));
  const applied = results.flatMap((result) => result.applied);
  expect(applied.toSorted()).toEqual(["0001_items.sql", "0002_price.sql", ...Object.keys(files)]);
  expect(await columns()).toHaveLength(12);
  await Promise.all(clients.map((client) => client.end()));
});

test("a number before an applied one is refused: it would run in another order elsewhere", async () => {
  await folder.write("0005_later.sql", "alter table items add column later int;");
  await migrate(superuser, options());
  await folder.write("0004_sneaked.sql", "alter table items add column sneaked int;");
  await expect(migrate(superuser, options())).rejects.toMatchObject({ name: "MigrationOutOfOrder" });
});

test("newer migrations in the database are tolerated at boot, missing ones are not", async () => {
  await migrate(superuser, options());
  await rm(join(folder.dir, "0002_price.sql"));
  await assertMigrated(superuser, options());
  await folder.write("0003_new.sql", "select 1;");
  await expect(assertMigrated(superuser, options())).rejects.toMatchObject({ name: "MigrationMissing" });
});

test("an empty database is missing everything", async () => {
  await expect(assertMigrated(superuser, options())).rejects.toThrow(
    "Schema shop lacks migration 0001_items.sql",
  );
});

test.each([
  ["0003_commit.sql", "create table a (); commit; create table b ();", "must not begin or end"],
  ["0003_rollback.sql", "ROLLBACK;", "must not begin or end"],
  ["0001_twice.sql", "select 1;", "number that another file has"],
  ["3_short.sql", "select 1;", "not named like"],
  ["0003_Upper.sql", "select 1;", "not named like"],
])("%s is refused before anything is applied", async (file, sql, message) => {
  await folder.write(file, sql);
  await expect(migrate(superuser, options())).rejects.toThrow(message);
  expect(await columns()).toEqual([]);
});

test("commit inside a function, a string or a comment is no transaction control", async () => {
  await folder.write(
    "0003_function.sql",
    `-- commit;
     /* rollback; */
     create function f() returns text language plpgsql as $body$
     begin
       return 'commit; rollback';
     end
     $body$;
     comment on function f() is 'begin; it''s fine; commit';`,
  );
  await migrate(superuser, options());
  expect(await history()).toHaveLength(3);
});

test("a file that changes search_path does not lead the history astray", async () => {
  await folder.write("0003_path.sql", "set search_path = pg_catalog; select 1;");
  await migrate(superuser, options());
  await folder.write("0004_after.sql", "create table after_it ();");
  await migrate(superuser, options());
  const { rows } = await superuser.query("select to_regclass('shop.after_it') is not null as there");
  expect(rows).toEqual([{ there: true }]);
});

test("the histories of several sources stand side by side", async () => {
  const lib = await migrationFolder({ "0001_lib.sql": "create table lib ();" });
  const sources = [{ prefix: "lib", dir: lib.dir }, ...options().sources];
  await migrate(superuser, { ...options(), sources });
  expect(await history()).toEqual(["0001_items.sql", "0002_price.sql", "lib/0001_lib.sql"]);
  await lib.remove();
});
