import pg from "pg";

/**
 * Puts names into a statement: each %I takes the next value as a quoted identifier, a list of them with commas.
 *
 * DDL, COPY and LOCK take no parameters, and a restore works on schemas whose names it makes. Every name comes from
 * Postgres' own catalogue, from a signed manifest or from constants, never from a request; all are quoted here and
 * nowhere else. Throws RangeError when names and places do not agree.
 */
export function named(statement: string, ...names: readonly (string | readonly string[])[]): string {
  let next = 0;
  const text = statement.replace(/%I/g, () => {
    const value = names[next++];
    if (value === undefined) throw new RangeError("a name is missing");
    return (typeof value === "string" ? [value] : value).map((name) => pg.escapeIdentifier(name)).join(", ");
  });
  if (next !== names.length) throw new RangeError("a name is left over");
  return text;
}

/** `"records"."patients"`, for to_regclass and the like. */
export function tableName(schema: string, table: string): string {
  return named("%I.%I", schema, table);
}

/** Binary: a box of n bytes takes n, as text it would take 2n. A restore uses the same migration, so types agree. */
export function copyOut(schema: string, table: string, columns: readonly string[]): string {
  return named("copy %I.%I (%I) to stdout (format binary)", schema, table, columns);
}

export function copyIn(schema: string, table: string, columns: readonly string[]): string {
  return named("copy %I.%I (%I) from stdin (format binary)", schema, table, columns);
}
