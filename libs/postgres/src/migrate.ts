import { setTimeout as delay } from "node:timers/promises";
import type { ClientBase } from "pg";
import { codeOf } from "./errors.ts";
import { searchPathOf } from "./identifiers.ts";
import {
  MigrationDrift,
  MigrationFailed,
  MigrationInvalid,
  MigrationMissing,
  MigrationOutOfOrder,
} from "./migration.errors.ts";
import { type Migration, type MigrationSource, readMigrations } from "./migration-files.ts";
import type { Db } from "./types.ts";

export interface MigrateOptions {
  /** Where the history is kept and unqualified names are made. */
  schema: string;
  /** Schemas that names are looked up in; the first must be `schema`. */
  searchPath: readonly string[];
  sources: readonly MigrationSource[];
  /** The name of the last file to apply; a name that no source has is MigrationInvalid. */
  upTo?: string;
}

interface AppliedRow {
  name: string;
  checksum: string;
}

const LOCK_NOT_AVAILABLE = "55P03";
const LOCK_ATTEMPTS = 5;
const LOCK_PAUSE_MS = 500;

/**
 * Applies what is not applied yet, each file in a transaction with its line in the schema's
 * `schema_migrations`. Two migrators take turns by a lock on that table, which no service's role
 * can take (an advisory lock any role could hold). Throws MigrationDrift, MigrationOutOfOrder,
 * MigrationFailed or MigrationInvalid; the files before the failed one stay applied.
 */
export async function migrate(client: ClientBase, options: MigrateOptions): Promise<{ applied: string[] }> {
  const known = cutAfter(await readMigrations(options.sources), options.upTo);
  await patiently(() => inOwnTransaction(client, options, () => createHistory(client)));
  const applied: string[] = [];
  for (;;) {
    const name = await patiently(() =>
      inOwnTransaction(client, options, () => applyNext(client, options.schema, known)),
    );
    if (name === null) return { applied };
    applied.push(name);
  }
}

function cutAfter(known: Migration[], last: string | undefined): Migration[] {
  if (last === undefined) return known;
  const end = known.findIndex((migration) => migration.name === last);
  if (end < 0) throw new MigrationInvalid(last, "is not known to this version");
  return known.slice(0, end + 1);
}

/** DDL that waits for a lock holds up every query behind it: it gives up after 5 s, and retries. */
async function patiently<T>(step: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step();
    } catch (error) {
      const cause = error instanceof MigrationFailed ? error.cause : error;
      if (codeOf(cause) !== LOCK_NOT_AVAILABLE || attempt === LOCK_ATTEMPTS) throw error;
      await delay(LOCK_PAUSE_MS * attempt);
    }
  }
}

async function inOwnTransaction<T>(
  client: ClientBase,
  options: MigrateOptions,
  step: () => Promise<T>,
): Promise<T> {
  await client.query("begin isolation level read committed");
  try {
    await client.query(
      `select set_config('search_path', $1, true), set_config('statement_timeout', '0', true),
              set_config('lock_timeout', '10min', true)`,
      [searchPathOf(options.searchPath)],
    );
    const result = await step();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

async function createHistory(client: ClientBase): Promise<null> {
  const { rows } = await client.query<{ there: boolean }>(
    `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                     where n.nspname = current_schema() and c.relname = 'schema_migrations') as there`,
  );
  if (rows[0]?.there === true) return null;
  // Two at once: `if not exists` does not help the second, which would fail on pg_type's unique
  // index. The key is the schema's name; a slow holder delays the very first run only.
  await client.query("select pg_advisory_xact_lock(hashtextextended(current_schema(), 0))");
  await client.query(
    `create table if not exists schema_migrations (
       name text primary key,
       checksum text not null,
       applied_at timestamptz not null default now()
     )`,
  );
  return null;
}

/** Applies the first file that is not applied; null when there is none. */
async function applyNext(client: ClientBase, schema: string, known: Migration[]): Promise<string | null> {
  await client.query("lock table schema_migrations in share row exclusive mode");
  const { rows } = await client.query<AppliedRow>("select name, checksum from schema_migrations");
  assertNoDrift(schema, known, rows);
  const appliedNames = new Set(rows.map((row) => row.name));
  const next = known.find((migration) => !appliedNames.has(migration.name));
  if (next === undefined) return null;
  assertInOrder(schema, next, known, appliedNames);
  try {
    await client.query("select set_config('lock_timeout', '5s', true)");
    await client.query(next.sql);
  } catch (error) {
    throw new MigrationFailed(schema, next.name, error);
  }
  // A file may change search_path for itself; the history is where current_schema() first was.
  await client.query("select set_config('search_path', $1, true)", [searchPathOf([schema])]);
  await client.query("insert into schema_migrations (name, checksum) values ($1, $2)", [
    next.name,
    next.checksum,
  ]);
  return next.name;
}

function assertNoDrift(schema: string, known: Migration[], applied: AppliedRow[]): void {
  const checksums = new Map(applied.map((row) => [row.name, row.checksum]));
  for (const migration of known) {
    const checksum = checksums.get(migration.name);
    if (checksum !== undefined && checksum !== migration.checksum) {
      throw new MigrationDrift(schema, migration.name);
    }
  }
}

function assertInOrder(schema: string, next: Migration, known: Migration[], applied: Set<string>): void {
  const later = known.some(
    (other) => other.prefix === next.prefix && other.number > next.number && applied.has(other.name),
  );
  if (later) throw new MigrationOutOfOrder(schema, next.name);
}

/**
 * The boot check: every migration that this code knows is applied, unchanged; newer ones may be (a
 * rolling upgrade migrates first). Throws MigrationMissing or MigrationDrift.
 */
export async function assertMigrated(
  db: Db,
  options: Pick<MigrateOptions, "schema" | "sources">,
): Promise<void> {
  const known = await readMigrations(options.sources);
  const applied = await readHistory(db, options.schema);
  assertNoDrift(options.schema, known, applied);
  const names = new Set(applied.map((row) => row.name));
  const missing = known.find((migration) => !names.has(migration.name));
  if (missing !== undefined) throw new MigrationMissing(options.schema, missing.name);
}

async function readHistory(db: Db, schema: string): Promise<AppliedRow[]> {
  const table = `${searchPathOf([schema])}.schema_migrations`;
  const { rows } = await db.query<{ there: boolean }>("select to_regclass($1) is not null as there", [table]);
  if (rows[0]?.there !== true) return [];
  return (await db.query<AppliedRow>("select name, checksum from ".concat(table))).rows;
}
