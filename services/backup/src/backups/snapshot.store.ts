import { BACKED_UP_SERVICES, ddl, SERVICES_WITH_DATA, sysSchemaOf, withClient } from "@medvault/postgres";
import type pg from "pg";
import { type CopyToStreamQuery, to as copyTo } from "pg-copy-streams";
import type { AppliedMigration, FileLine, Snapshot } from "../archive/manifest.ts";

/** A table as it is copied: ordinary columns in their order, without generated ones. */
export interface SourceTable {
  schema: string;
  table: string;
  kind: "table" | "keys";
  columns: string[];
}

const FILES_PER_QUERY = 1_000;
const KEY_TABLES = ["keys", "subject_keys"];

/**
 * Runs `work` with `parallel` connections that all see one moment of the database: the first
 * exports its snapshot, the others take it
 * (https://www.postgresql.org/docs/15/functions-admin.html, pg_export_snapshot). Read only.
 */
export async function inSnapshot<T>(
  pool: pg.Pool,
  parallel: number,
  work: (clients: pg.PoolClient[]) => Promise<T>,
): Promise<T> {
  return withClient(pool, async (first) => {
    await beginReading(first);
    const { rows } = await first.query<{ id: string }>("select pg_export_snapshot() as id");
    const id = rows[0]?.id ?? "";
    const result = await withReaders(pool, id, parallel - 1, [first], work);
    await first.query("commit");
    return result;
  });
}

async function withReaders<T>(
  pool: pg.Pool,
  snapshotId: string,
  more: number,
  clients: pg.PoolClient[],
  work: (clients: pg.PoolClient[]) => Promise<T>,
): Promise<T> {
  if (more === 0) return work(clients);
  return withClient(pool, async (client) => {
    await beginReading(client);
    // SET TRANSACTION SNAPSHOT takes no parameter. The id is Postgres' own.
    await client.query(ddl("set transaction snapshot %L", snapshotId));
    const result = await withReaders(pool, snapshotId, more - 1, [...clients, client], work);
    await client.query("commit");
    return result;
  });
}

async function beginReading(client: pg.PoolClient): Promise<void> {
  await client.query("begin isolation level repeatable read read only");
  // One connection may have nothing to do while another copies the largest table.
  await client.query("set local idle_in_transaction_session_timeout = 0");
}

/**
 * Every table that a backup holds, the largest first, so that none is left alone at the end: all of
 * the business schemas but their migration history, and the key tables of every service. Partitions
 * come with their parent.
 */
export async function listTables(client: pg.PoolClient): Promise<SourceTable[]> {
  const { rows } = await client.query<{ schema: string; table: string; columns: string[] }>(
    `select n.nspname as schema, c.relname as table,
            array_agg(a.attname::text order by a.attnum) as columns
       from pg_class c
       join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                          and a.attgenerated = ''
      where c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'schema_migrations'
        and (n.nspname = any($1::text[]) or (n.nspname = any($2::text[]) and c.relname = any($3::text[])))
      group by n.nspname, c.relname, c.oid
      order by pg_table_size(c.oid) desc, n.nspname, c.relname`,
    [BACKED_UP_SERVICES, SERVICES_WITH_DATA.map(sysSchemaOf), KEY_TABLES],
  );
  const keySchemas = SERVICES_WITH_DATA.map(sysSchemaOf);
  return rows.map((row) => ({ ...row, kind: keySchemas.includes(row.schema) ? "keys" : "table" }));
}

/** How many bytes each of these tables takes; about what its copy has. */
export async function sizesOf(
  client: pg.PoolClient,
  tables: readonly SourceTable[],
): Promise<Map<SourceTable, number>> {
  const { rows } = await client.query<{ bytes: number }>(
    `select (pg_table_size(t.name::regclass) +
             coalesce((select sum(pg_table_size(i.relid)) from pg_partition_tree(t.name::regclass) i
                        where i.relid <> t.name::regclass), 0))::float8 as bytes
       from unnest($1::text[]) with ordinality t (name, at) order by t.at`,
    [tables.map(({ schema, table }) => ddl("%I.%I", schema, table))],
  );
  return new Map(tables.map((table, at) => [table, rows[at]?.bytes ?? 0]));
}

/** How many bytes all blobs of files have together. */
export async function fileBytes(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ bytes: number }>(
    "select coalesce(sum(blob_bytes), 0)::float8 as bytes from files.files",
  );
  return rows[0]?.bytes ?? 0;
}

/** What is applied of each business schema's migrations, in order. */
export async function listMigrations(client: pg.PoolClient): Promise<Record<string, AppliedMigration[]>> {
  const found: Record<string, AppliedMigration[]> = {};
  for (const schema of BACKED_UP_SERVICES) {
    const { rows } = await client.query<AppliedMigration>(
      ddl("select name, checksum from %I.schema_migrations order by name", schema),
    );
    found[schema] = rows;
  }
  return found;
}

export async function postgresVersion(client: pg.PoolClient): Promise<number> {
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  );
  return rows[0]?.version ?? 0;
}

/** Of a transaction that reads: what it sees, and the server whose transactions these are. */
export async function snapshotOf(client: pg.PoolClient): Promise<Snapshot> {
  const { rows } = await client.query<Snapshot>(
    `select pg_current_snapshot()::text as at, system_identifier::text as server from pg_control_system()`,
  );
  if (!rows[0]) throw new RangeError("no snapshot");
  return rows[0];
}

/** Binary: a box of n bytes takes n, as text it would take 2n. */
export function startCopy(client: pg.PoolClient, { schema, table, columns }: SourceTable): CopyToStreamQuery {
  const statement = ddl("copy %I.%I (%I) to stdout (format binary)", schema, table, columns);
  const copy: CopyToStreamQuery & { callback?: () => void } = client.query(copyTo(statement));
  // pg bounds a statement by a timer that its callback ends, and this stream calls none: the timer
  // would keep the restore job from ending for hours.
  copy.once("close", () => copy.callback?.());
  return copy;
}

/** Every file that the files service has, in the order of their ids. */
export async function* listFiles(client: pg.PoolClient): AsyncGenerator<FileLine> {
  let after: string | null = null;
  for (;;) {
    const { rows }: pg.QueryResult<FileLine> = await client.query<FileLine>(
      `select id, blob, blob_bytes as bytes, blob_sha256 as sha256 from files.files
        where $1::uuid is null or id > $1 order by id limit $2`,
      [after, FILES_PER_QUERY],
    );
    yield* rows;
    after = rows.at(-1)?.id ?? null;
    if (rows.length < FILES_PER_QUERY) return;
  }
}
