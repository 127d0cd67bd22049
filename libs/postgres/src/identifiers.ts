import { escapeIdentifier, escapeLiteral } from "pg";

// DDL takes no parameters: names of roles, schemas and databases have to be in its text. They come
// from code and configuration, never from a request; only this file puts them there, quoted.

const PLAIN_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Refuses names that unquoted SQL in migrations would not find: a-z, 0-9 and _, at most 63. */
function assertPlainName(name: string): string {
  if (!PLAIN_NAME.test(name)) throw new Error(`not a plain SQL name: ${JSON.stringify(name)}`);
  return name;
}

export function quoteIdentifier(name: string): string {
  return escapeIdentifier(assertPlainName(name));
}

/** search_path as a value of the setting: quoted names, comma between. */
export function searchPathOf(schemas: readonly string[]): string {
  return schemas.map(quoteIdentifier).join(", ");
}

/** SQL: %I takes the next value (or list) as identifiers, %L as a literal. Counts must agree. */
export function ddl(template: string, ...values: (string | readonly string[])[]): string {
  let next = 0;
  const text = template.replace(/%[IL]/g, (kind) => {
    const value = values[next++];
    if (value === undefined) throw new Error("ddl: a value is missing");
    const quote = kind === "%I" ? escapeIdentifier : escapeLiteral;
    return [value].flat().map(quote).join(", ");
  });
  if (next !== values.length) throw new Error("ddl: a value is left over");
  return text;
}
