import type { Dump, Row } from "./dump.ts";

/** A row with what it holds, which the thief wants, and all that they see of it, by its name. */
export interface Case {
  readonly id: string;
  readonly truth: string;
  readonly facts: Readonly<Record<string, string>>;
}

/** Numbers: how long something is, how many there are, and by how much that grew in a day. */
export const isSize = (fact: string): boolean => fact.startsWith("size of ") || isGrowth(fact);
export const isGrowth = (fact: string): boolean => fact.startsWith("growth of ");

// By any of these a row says of whom it is; `subject_keys` and `fhir_sources` say it so.
const PATIENT_COLUMNS = ["patient_id", "subject_id"];
const ROW_COLUMNS = ["row_id", "record_id"];

/**
 * What a thief sees of each row of a table whose content they want: its own columns and their
 * lengths, those of rows that are its patient's only one or its own only one (a search document, a
 * key), how many of each kind are its patient's and its own, and how all this grew in a day.
 */
export function factsOf(table: string, days: readonly Dump[], truths: ReadonlyMap<string, string>): Case[] {
  const [before, after] = days.map((dump) => seenIn(table, dump));
  return [...(after ?? [])].flatMap(([id, facts]) => {
    const truth = truths.get(id);
    if (truth === undefined) return [];
    const former = before?.get(id) ?? {};
    const grown = Object.entries(facts).flatMap(([name, value]) =>
      isSize(name) || name.endsWith(".rev")
        ? [[`growth of ${name}`, String(Number(value) - Number(former[name] ?? 0))]]
        : [],
    );
    return [{ id, truth, facts: { ...facts, ...Object.fromEntries(grown) } }];
  });
}

function seenIn(table: string, dump: Dump): Map<string, Record<string, string>> {
  const cases = new Map<string, Record<string, string>>();
  const joins = [...dump].flatMap(([name, rows]) => joinsOf(name, rows));
  for (const row of dump.get(`records.${table}`) ?? []) {
    const [id, patient] = [String(row.id), String(row.patient_id ?? row.id)];
    const facts = columnsOf(table, row);
    for (const { name, by, rows } of joins) {
      const found = rows.get(by === "patient" ? patient : id) ?? [];
      facts[`size of ${name} by ${by}`] = String(found.length);
      const [only] = found;
      if (only && found.length === 1 && name !== `records.${table}`)
        Object.assign(facts, columnsOf(name, only));
    }
    cases.set(id, facts);
  }
  return cases;
}

interface Join {
  readonly name: string;
  readonly by: "patient" | "row";
  readonly rows: ReadonlyMap<string, readonly Row[]>;
}

/** A table's rows by patient, and by row, where they say so. */
function joinsOf(name: string, rows: readonly Row[]): Join[] {
  const [first] = rows;
  if (!first) return [];
  const patient =
    name === "records.patients" ? "id" : PATIENT_COLUMNS.find((one) => Object.hasOwn(first, one));
  const own = ROW_COLUMNS.find((one) => Object.hasOwn(first, one));
  return [
    ...(patient
      ? [{ name, by: "patient", rows: Map.groupBy(rows, (row) => String(row[patient])) } as const]
      : []),
    ...(own ? [{ name, by: "row", rows: Map.groupBy(rows, (row) => String(row[own])) } as const] : []),
    ...(first.event ? [{ name, by: "row", rows: Map.groupBy(rows, eventSubject) } as const] : []),
  ];
}

/** The id in the subject of a waiting event, `prescription/<id>`. */
const eventSubject = ({ event }: Row): string =>
  String((event as { subject?: string }).subject)
    .split("/")
    .at(-1) ?? "";

function columnsOf(table: string, row: Row): Record<string, string> {
  const facts: Record<string, string> = {};
  for (const [column, value] of Object.entries(row)) {
    const name = `${table.replace("records.", "")}.${column}`;
    facts[name] = textOf(value);
    const size = sizeOf(value);
    if (size !== null) facts[`size of ${name}`] = String(size);
  }
  return facts;
}

function textOf(value: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString("hex");
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

/** How long bytes, a list or an object are; null for what has no length of its own. */
function sizeOf(value: unknown): number | null {
  if (Buffer.isBuffer(value) || Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null && !(value instanceof Date)
    ? JSON.stringify(value).length
    : null;
}
