import type { RestoreChanges } from "@medvault/contracts";
import { type Db, ddl } from "@medvault/postgres";
import { RESTORED, schemasOf } from "./restore.ts";
import { exists, nameOf, tablesOf } from "./schema.store.ts";

/** Columns that say whose a row is, the first that a table has. A patient is their own. */
const PATIENT_COLUMNS = ["patient_id", "subject_id"];

/** Whether every table that was built is there live, too: else nobody can copy what is there. */
export async function isLiveWhole(db: Db, n: number): Promise<boolean> {
  for (const service of RESTORED) {
    const live = await tablesOf(db, service);
    const built = await tablesOf(db, schemasOf(service, n).scratch);
    if (!built.every((table) => live.includes(table))) return false;
  }
  return true;
}

/**
 * What putting the built schemas in the place of the live ones does to their rows, as of now.
 * Everything of a row is compared. Takes one connection, for its temporary table.
 */
export async function compareWithLive(db: Db, n: number): Promise<RestoreChanges> {
  await db.query("create temp table if not exists changed_patients (id uuid)");
  await db.query("truncate changed_patients");
  const tables: RestoreChanges["tables"] = [];
  for (const service of RESTORED) {
    const { scratch } = schemasOf(service, n);
    for (const table of await tablesOf(db, scratch)) {
      const found = await compareTable(db, service, scratch, table);
      if (found.written + found.changed + found.removed > 0) tables.push(found);
    }
  }
  const { rows } = await db.query<{ patients: number }>(
    "select count(distinct id)::int as patients from changed_patients",
  );
  const sum = (of: "written" | "changed" | "removed") => tables.reduce((all, each) => all + each[of], 0);
  return {
    written: sum("written"),
    changed: sum("changed"),
    removed: sum("removed"),
    patients: rows[0]?.patients ?? 0,
    tables,
  };
}

async function compareTable(db: Db, live: string, scratch: string, table: string) {
  const name = `${live}.${table}`;
  const { key, patient } = await columnsOf(db, scratch, table);
  if (!(await exists(db, nameOf(live, table)))) {
    const { rows } = await db.query<{ removed: number }>(
      ddl("select count(*)::int as removed from %I.%I", scratch, table),
    );
    return { table: name, written: 0, changed: 0, removed: rows[0]?.removed ?? 0 };
  }
  const [first = ""] = key;
  const whose = patient ? ddl("coalesce(l.%I, b.%I)", patient, patient) : "null::uuid";
  // As images: every type has one, also those that know no order.
  const { rows } = await db.query<{ written: number; changed: number; removed: number }>(
    ddl(
      `with differing as (
         select l.%I is not null as is_live, b.%I is not null as is_built, ${whose} as patient
           from %I.%I l full join %I.%I b using (%I)
          where l.%I is null or b.%I is null or l operator(pg_catalog.*<>) b
       ), noted as (insert into changed_patients select distinct patient from differing where patient is not null)
       select count(*) filter (where not is_built)::int as written,
              count(*) filter (where is_built and is_live)::int as changed,
              count(*) filter (where not is_live)::int as removed
         from differing`,
      ...[first, first],
      ...[live, table, scratch, table, key],
      ...[first, first],
    ),
  );
  return { table: name, ...(rows[0] ?? { written: 0, changed: 0, removed: 0 }) };
}

async function columnsOf(
  db: Db,
  schema: string,
  table: string,
): Promise<{ key: string[]; patient: string | null }> {
  const { rows } = await db.query<{ key: string[]; patient: string | null }>(
    `select (select array_agg(a.attname::text order by a.attnum)
               from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
              where i.indrelid = c.oid and i.indisprimary) as key,
            (select a.attname::text from pg_attribute a
              where a.attrelid = c.oid and not a.attisdropped and a.attname = any($3::text[])
              order by array_position($3::text[], a.attname::text) limit 1) as patient
       from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2`,
    [schema, table, PATIENT_COLUMNS],
  );
  const key = rows[0]?.key;
  if (!key) throw new RangeError(`${schema}.${table} has no primary key`);
  return { key, patient: rows[0]?.patient ?? (table === "patients" ? "id" : null) };
}
