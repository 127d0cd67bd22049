import { canonicalJson } from "@medvault/crypto";
import { DeclarationFault } from "../errors.ts";

// ISO 8601 with a time and a zone, as a caller may write it where Postgres gives a Date.
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * A column's value in the one form that goes into a box's AAD, whether it comes from a domain
 * object or from Postgres: instants as ISO text in UTC with milliseconds, UUIDs in lower case,
 * bytes as hex, nothing as null.
 */
function boundValue(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return `\\x${value.toString("hex")}`;
  if (typeof value === "string") return boundText(value);
  if (typeof value === "bigint") return boundInteger(value);
  if (Array.isArray(value)) return value.map(boundValue);
  if (typeof value === "number" || typeof value === "boolean") return value;
  throw new DeclarationFault("a typed column holds a scalar or a list of them");
}

/** A column's value by its name, or by its place in the list. */
type ColumnValue = (column: string, at: number) => unknown;

/**
 * Makes the canonical JSON of these columns and their values, each in its bound form. What is the
 * same for every row, the order and the names, is made once.
 */
export function boundColumns(columns: readonly string[]): (columnValue: ColumnValue) => string {
  const inOrder = columns
    .map((name, at) => ({ name, at, label: `${canonicalJson(name)}:` }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  return (columnValue) => {
    let members = "";
    for (const { name, at, label } of inOrder) {
      if (members !== "") members += ",";
      members += label + canonicalJson(boundValue(columnValue(name, at)));
    }
    return `{${members}}`;
  };
}

/** An id as it stands in the AAD. Throws DeclarationFault unless it is text. */
export function boundId(value: unknown, column: string): string {
  if (typeof value !== "string" || value === "") throw new DeclarationFault(`${column} is not an id`);
  return UUID.test(value) ? value.toLowerCase() : value;
}

function boundText(value: string): string {
  if (UUID.test(value)) return value.toLowerCase();
  if (!INSTANT.test(value)) return value;
  const instant = new Date(value);
  return Number.isNaN(instant.getTime()) ? value : instant.toISOString();
}

function boundInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
