import pg from "pg";

// COPY, ALTER SCHEMA and the like take no parameters, so names have to stand in their text. Every name comes from
// Postgres' own catalogue or from a signed manifest, never from a request, and is quoted here and nowhere else.

const name = pg.escapeIdentifier;

/** `"records"."patients"` */
export function tableName(schema: string, table: string): string {
  return `${name(schema)}.${name(table)}`;
}

export function historyQuery(schema: string): string {
  return `select name, checksum from ${tableName(schema, "schema_migrations")} order by name`;
}

export function countQuery(schema: string, table: string): string {
  return `select count(*) as rows from ${tableName(schema, table)}`;
}

/** Binary: a box of n bytes takes n, as text it would take 2n. A restore uses the same migration, so types agree. */
export function copyOut(schema: string, table: string, columns: readonly string[]): string {
  return `copy ${tableName(schema, table)} (${columns.map(name).join(", ")}) to stdout (format binary)`;
}

export function copyIn(schema: string, table: string, columns: readonly string[]): string {
  return `copy ${tableName(schema, table)} (${columns.map(name).join(", ")}) from stdin (format binary)`;
}
