import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../lib/paths.mjs";
import { givenDataDir } from "../test/harness.ts";
import { breachesIn, migrationBreaches } from "./migrations.ts";

test.each([
  ["drop table claims", "drop"],
  ["drop function if exists reached(uuid)", "drop"],
  ["alter table claims drop column note", "drop"],
  ["alter table claims alter column note drop default", "drop"],
  ["ALTER TABLE claims\n  ADD COLUMN a int,\n  DROP CONSTRAINT claims_check", "drop"],
  ["alter table claims rename to demands", "rename"],
  ["alter table claims rename column note to remark", "rename"],
  ["alter table claims rename note to remark", "rename"],
  ["alter table claims alter note type bytea using note::bytea", "type"],
  ["alter table claims alter column note set data type text", "type"],
  ["alter table claims alter column note set not null", "not-null"],
  ["alter table claims add column note text not null", "not-null"],
  ["alter table claims add note text not null, add column other int not null default 0", "not-null"],
  ["alter table claims add constraint positive check (amount > 0)", "constraint"],
  ["alter table claims add foreign key (patient_id) references patients", "constraint"],
  ["alter table claims add column id2 uuid not null default gen_random_uuid()", "rewrite"],
  ["alter table claims add column n bigserial", "rewrite"],
  ["create index on claims (status)", "lock"],
  ["create unique index if not exists claims_by_number on records.claims (number)", "lock"],
  ["lock table claims in share mode", "lock"],
])("%s is refused: %s", (statement, rule) => {
  expect(breachesIn(`-- Expand: it.\n${statement};`).map(({ name }) => name)).toEqual([rule]);
});

test.each([
  "create table notes (id uuid primary key, text text not null); create index on notes (text); alter table notes add check (text <> '')",
  "alter table claims add column note text, add column other int not null default 0",
  "alter table claims add column amount2 numeric(12, 2) not null default 0",
  "alter table claims add constraint positive check (amount > 0) not valid",
  "create or replace function f() returns text language sql as $$ select 'drop table claims; rename to x' $$",
  "comment on table claims is 'drop table claims; truncate claims'",
  "-- drop table claims;\n/* lock table claims; */ select 1",
  "-- Locks: claims, 2 s for a million rows.\ncreate index on claims (status)",
  "update roles set version = version + 1",
  "alter function f() set plan_cache_mode = force_generic_plan",
])("%s is allowed", (sql) => {
  expect(breachesIn(sql)).toEqual([]);
});

test("a breach is named with its file, and an exception that nothing needs too", () => {
  const tree = givenDataDir();
  for (const place of [
    "services/records/migrations/0001_a.sql",
    "services/records/migrations/sys/0001_b.sql",
  ]) {
    fs.mkdirSync(path.dirname(path.join(tree, place)), { recursive: true });
    fs.writeFileSync(path.join(tree, place), "drop table claims; drop table claims;");
  }
  const why = "it was never used";
  const file = "services/records/migrations/0001_a.sql";
  expect(migrationBreaches(tree, [{ file, rules: ["drop", "lock"], why }])).toEqual([
    expect.stringContaining("services/records/migrations/sys/0001_b.sql: drop (claims): the version before"),
    `dev/check/migrations.ts: nothing in ${file} needs its exception of "lock"`,
  ]);
});

test("the migrations that are there run beside the version before", () => {
  expect(migrationBreaches(root)).toEqual([]);
});
