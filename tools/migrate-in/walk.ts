import type { Item } from "./item.ts";
import { itemOf } from "./item.ts";
import { columnsOf, type Reading } from "./making.ts";
import type { Kind, Mapping, Value, WholeMap } from "./map.ts";
import type { Report } from "./report.ts";
import { Refused, SourceRefused, type SourceRow } from "./row.ts";
import type { Source } from "./source.ts";
import type { State } from "./state.ts";

/** What stands first is there when what refers to it comes, in whatever order a dump has them. */
const PASSES: readonly (readonly Kind[])[] = [
  ["user"],
  ["patient"],
  ["record", "prescription", "claim"],
  ["appointment", "file"],
];

export interface Walk {
  readonly source: Source;
  readonly map: WholeMap;
  readonly reading: Reading;
  readonly state: State;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** Called with each row's place among all that will be read. */
  onRow(kinds: readonly Kind[], bytes: number): void;
  /** Takes what rows become, and tells the report and the state. Throws Refused for one. */
  take(item: Item): Promise<void> | void;
  /** Nothing of a pass is under way when it ends. */
  endPass(): Promise<void> | void;
}

/** The passes that a map needs. */
export function passesOf({ tables, inviteUsers }: WholeMap): (readonly Kind[])[] {
  const kinds = new Set(Object.values(tables).flatMap((mappings) => mappings.map(({ to }) => to)));
  if (!inviteUsers) kinds.delete("user");
  return PASSES.filter((pass) => pass.some((kind) => kinds.has(kind)));
}

/** Reads the source once for each pass. @returns tables of the map that it does not have */
export async function walk(work: Walk): Promise<string[]> {
  const { source, map, signal } = work;
  const seen = new Set<string>();
  let before = 0;
  for (const pass of passesOf(map)) {
    const mappings = mappingsOf(map, pass);
    let at = 0;
    const rows = source.rows(new Set(mappings.keys()), (read) => {
      at = read;
    });
    for await (const row of rows) {
      signal.throwIfAborted();
      const those = mappings.get(row.table) ?? [];
      if (!seen.has(row.table)) requireColumns(row, map.tables[row.table] ?? []);
      seen.add(row.table);
      for (const mapping of those) {
        const pending = takeRow(work, row, mapping);
        if (pending) await pending;
      }
      work.onRow(pass, before + at);
    }
    await work.endPass();
    before += source.bytes;
  }
  return Object.keys(map.tables).filter((table) => !seen.has(table) && isWanted(map, table));
}

/** @returns a promise only where there is something to wait for */
function takeRow(work: Walk, row: SourceRow, mapping: Mapping): Promise<void> | void {
  const { state, report, map, reading } = work;
  const refuse = (error: unknown): void => {
    if (!(error instanceof Refused)) throw error;
    report.refuse(mapping.to, row, error);
  };
  try {
    const item = itemOf(row, mapping, map, reading);
    if (item === null) return;
    if (!state.isNew(item.identity)) {
      if (mapping.to === "patient" && mapping.repeats) return;
      throw new Refused("duplicate", "has the key of a row before it");
    }
    return work.take(item)?.catch(refuse);
  } catch (error) {
    refuse(error);
  }
}

function mappingsOf({ tables }: WholeMap, pass: readonly Kind[]): Map<string, Mapping[]> {
  const entries = Object.entries(tables).map(
    ([table, mappings]) => [table, mappings.filter(({ to }) => pass.includes(to))] as const,
  );
  return new Map(entries.filter(([, mappings]) => mappings.length > 0) as [string, Mapping[]][]);
}

const isWanted = (map: WholeMap, table: string): boolean =>
  passesOf(map).some((pass) => mappingsOf(map, pass).has(table));

/** Throws SourceRefused where the map names what the table does not have. */
function requireColumns(row: SourceRow, mappings: readonly Mapping[]): void {
  if (row.columns.length === 0) return;
  for (const mapping of mappings) {
    const missing = valuesOf(mapping)
      .flatMap(columnsOf)
      .find((column) => !row.columns.includes(column));
    if (missing === undefined) continue;
    const has = row.columns.join(", ");
    throw new SourceRefused(
      `table ${row.table} has no column ${missing}, which the map names; it has ${has}.`,
    );
  }
}

function valuesOf(mapping: Mapping): Value[] {
  const { key, when, fields } = mapping;
  const more = [
    "patient" in mapping ? mapping.patient : [],
    "prescription" in mapping ? mapping.prescription : [],
    "careTeam" in mapping ? mapping.careTeam : [],
  ].flatMap((values) => values ?? []);
  return [...key, ...more, ...(when ? [when.column] : []), ...(Object.values(fields) as Value[])];
}
