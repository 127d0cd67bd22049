import { DatabaseSync } from "node:sqlite";
import { type Cell, SourceRefused, type SourceRow } from "./row.ts";

/** The rows of a database of SQLite, which is opened to be read alone. Throws SourceRefused. */
export function* sqliteRows(file: string, tables: ReadonlySet<string>): Generator<SourceRow, void> {
  const database = new DatabaseSync(file, { readOnly: true, readBigInts: true });
  try {
    const found = database.prepare("select name from sqlite_schema where type = 'table' order by name").all();
    for (const { name } of found as { name: string }[]) if (tables.has(name)) yield* rowsOf(database, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SQLITE_ERROR") throw error;
    throw new SourceRefused(`${file} was cut or is damaged: SQLite cannot read it.`);
  } finally {
    database.close();
  }
}

function* rowsOf(database: DatabaseSync, table: string): Generator<SourceRow, void> {
  const statement = database.prepare(`select * from "${table.replaceAll('"', '""')}"`);
  let number = 0;
  let columns: string[] | null = null;
  for (const row of statement.iterate() as Iterable<Record<string, unknown>>) {
    columns ??= Object.keys(row);
    yield { table, number: ++number, columns, cells: Object.values(row).map(cellOf) };
  }
}

function cellOf(value: unknown): Cell {
  if (value === null) return null;
  return value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value));
}
