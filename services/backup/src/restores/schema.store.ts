import { type Db, ddl } from "@medvault/postgres";
import type pg from "pg";
import { type CopyStreamQuery, from as copyFrom } from "pg-copy-streams";
import type { Snapshot } from "../archive/manifest.ts";
import { LEFTOVER_SCHEMA } from "./restore.ts";

/** Whether there is a schema of that name: a lost one is a reason to restore, too. */
export async function hasSchema(db: Db, schema: string): Promise<boolean> {
  const { rowCount } = await db.query("select from pg_namespace where nspname = $1", [schema]);
  return rowCount === 1;
}

/** Drops what a restore made. Nothing waits behind it: no service knows these names. */
export async function dropSchema(db: Db, schema: string): Promise<void> {
  await db.query(ddl("drop schema if exists %I cascade", schema));
}

export async function renameSchema(db: Db, from: string, to: string): Promise<void> {
  await db.query(ddl("alter schema %I rename to %I", from, to));
}

/** Schemas of restores that are not running any more. */
export async function leftoverSchemas(db: Db, running: readonly number[]): Promise<string[]> {
  const { rows } = await db.query<{ schema: string }>(
    `select nspname as schema from pg_namespace
      where nspname ~ $1 and not (substring(nspname from '[0-9]+$')::bigint = any($2::bigint[]))
      order by 1`,
    [LEFTOVER_SCHEMA, running],
  );
  return rows.map((row) => row.schema);
}

/** The tables of a schema that hold data: not its history, not partitions of another. */
export async function tablesOf(db: Db, schema: string): Promise<string[]> {
  const { rows } = await db.query<{ table: string }>(
    `select c.relname as table from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
        and c.relname <> 'schema_migrations' order by 1`,
    [schema],
  );
  return rows.map((row) => row.table);
}

export async function referencesIn(db: Db, schema: string): Promise<{ table: string; refersTo: string }[]> {
  const { rows } = await db.query<{ table: string; refers_to: string }>(
    `select c.relname as table, f.relname as refers_to
       from pg_constraint k
       join pg_class c on c.oid = k.conrelid
       join pg_class f on f.oid = k.confrelid
       join pg_namespace n on n.oid = c.relnamespace
      where k.contype = 'f' and n.nspname = $1`,
    [schema],
  );
  return rows.map((row) => ({ table: row.table, refersTo: row.refers_to }));
}

/** Empties tables that migrations filled, and keeps triggers from adding to what is copied in. */
export async function prepareForCopy(db: Db, schema: string, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    await db.query(ddl("truncate table %I.%I cascade", schema, table));
    await db.query(ddl("alter table %I.%I disable trigger user", schema, table));
  }
}

/** The opposite; and statistics, lest the first queries be planned for empty tables. */
export async function finishCopy(db: Db, schema: string, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    await db.query(ddl("alter table %I.%I enable trigger user", schema, table));
    await db.query(ddl("analyze %I.%I", schema, table));
  }
  await advanceSequences(db, schema);
}

/** A column's sequence goes on after the highest number that was copied in. */
async function advanceSequences(db: Db, schema: string): Promise<void> {
  const { rows } = await db.query<{ sequence: string; table: string; column: string }>(
    `select s.relname as sequence, t.relname as table, a.attname as column
       from pg_class s
       join pg_depend d on d.objid = s.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
       join pg_class t on t.oid = d.refobjid
       join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
       join pg_namespace n on n.oid = s.relnamespace
      where s.relkind = 'S' and n.nspname = $1`,
    [schema],
  );
  for (const { sequence, table, column } of rows) {
    const next = ddl(
      "select setval($1::regclass, coalesce(max(%I), 0) + 1, false) from %I.%I",
      column,
      schema,
      table,
    );
    await db.query(next, [nameOf(schema, sequence)]);
  }
}

/** Fills a table. The backup was made at the same migration, so the types of the columns agree. */
export function startCopyIn(
  client: pg.PoolClient,
  schema: string,
  table: string,
  columns: readonly string[],
): CopyStreamQuery {
  return client.query(copyFrom(ddl("copy %I.%I (%I) from stdin (format binary)", schema, table, columns)));
}

export async function countRows(db: Db, schema: string, table: string): Promise<number> {
  const { rows } = await db.query<{ rows: number }>(ddl("select count(*) as rows from %I.%I", schema, table));
  return rows[0]?.rows ?? 0;
}

/** What others may not do: write; or read and write. */
export type LockMode = "share row exclusive" | "access exclusive";

/** Keeps others from this table from here to the transaction's end. */
export async function lockTable(db: Db, schema: string, table: string, mode: LockMode): Promise<void> {
  await db.query(ddl(`lock table %I.%I in ${mode} mode`, schema, table));
}

/** Whether the service has events in its outbox that transactions older than `xid` left there. */
export async function hasEventsBefore(db: Db, sysSchema: string, xid: string): Promise<boolean> {
  const { rows } = await db.query<{ waiting: boolean }>(
    ddl("select exists (select from %I.outbox where xid < $1::xid8) as waiting", sysSchema),
    [xid],
  );
  return rows[0]?.waiting === true;
}

export const nameOf = (schema: string, table: string): string => ddl("%I.%I", schema, table);

/** Whether there is such a table, `schema.table`. */
export async function exists(db: Db, table: string): Promise<boolean> {
  const { rows } = await db.query<{ there: boolean }>("select to_regclass($1) is not null as there", [table]);
  return rows[0]?.there === true;
}

/**
 * Notes that from this transaction on the service's tables are as they were in `snapshot`: answers
 * kept of writes that are not in it are not given again.
 */
export async function noteRewind(db: Db, sysSchema: string, snapshot: Snapshot | undefined): Promise<void> {
  await db.query(
    ddl(
      `insert into %I.rewinds (backup)
       select case when system_identifier::text = $1 then $2::pg_snapshot end from pg_control_system()`,
      sysSchema,
    ),
    [snapshot?.server ?? null, snapshot?.at ?? null],
  );
}

/** Makes an empty copy of a key table's shape, to stage a backup's keys in. */
export async function stageTable(db: Db, schema: string, like: string, table: string): Promise<void> {
  await db.query(ddl("create schema if not exists %I", schema));
  await db.query(ddl("create unlogged table %I.%I (like %I.%I)", schema, table, like, table));
}

/** Puts back missing keys. Those that are there stay: they may have been rewrapped since. */
export async function insertMissing(
  db: Db,
  from: string,
  into: string,
  table: string,
  columns: readonly string[],
): Promise<number> {
  const { rowCount } = await db.query(
    ddl(
      "insert into %I.%I (%I) select %I from %I.%I on conflict do nothing",
      into,
      table,
      columns,
      columns,
      from,
      table,
    ),
  );
  return rowCount ?? 0;
}

/**
 * Takes the keys of shredded subjects out of the staged ones: they stay destroyed, whatever a
 * backup still holds of them. A key that was made after the shred, for a new subject of the same
 * id, is another; but of who is in the ledger of erasures there is none.
 */
export async function dropErased(db: Db, staged: string, sysSchema: string): Promise<void> {
  await db.query(
    ddl(
      `delete from %I.subject_keys s using %I.shreds e
        where e.subject_id = s.subject_id and e.shredded_at >= s.created_at`,
      staged,
      sysSchema,
    ),
  );
  if (!(await exists(db, "records_sys.erasure_ledger"))) return;
  await db.query(
    ddl(
      `delete from %I.subject_keys s using records_sys.erasure_ledger e
        where s.subject_id = any(e.patient_ids)`,
      staged,
    ),
  );
}
