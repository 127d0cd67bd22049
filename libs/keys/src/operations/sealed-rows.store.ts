import { type Db, ddl } from "@medvault/postgres";
import type pg from "pg";
import type { Keyring } from "../keyring/keyring.ts";
import { type Throttle, throttled } from "../rotation/throttle.ts";
import { versionBytes } from "../rotation/wrapped-keys.store.ts";
import type { TableDeclaration } from "../sealed-tables/declaration.ts";
import type { SealedRow, SealedTable } from "../sealed-tables/sealed-table.ts";

const BATCH_ROWS = 100;
const MAX_REFUSED = 1_000;

export interface RowBatches extends Throttle {
  readonly batchRows?: number;
  /** Only rows with a higher id: where a run over all rows ended. */
  readonly after?: string;
}

/** Rows `t` for which this holds; its parameters begin at $3. */
export interface RowFilter {
  readonly where: string;
  readonly parameters: readonly unknown[];
}

export const ALL_ROWS: RowFilter = { where: "true", parameters: [] };

/**
 * Goes over the rows of any declared table by id, in batches with pauses. `prepare` makes of a row
 * what `write` stores; null: it does not open. Returns the ids of those rows, at most 1,000.
 */
export async function overRows<T extends object, R>(
  pool: pg.Pool,
  { declaration }: SealedTable<T>,
  { where, parameters }: RowFilter,
  batches: RowBatches,
  prepare: (row: SealedRow) => R | null,
  write: (ready: R[], rows: number, lastId: string) => Promise<void>,
): Promise<string[]> {
  const { batchRows = BATCH_ROWS } = batches;
  const { id = "id" } = declaration;
  const text = selectText(declaration, where);
  const refused: string[] = [];
  let after = batches.after ?? null;
  await throttled(batches, async () => {
    const { rows } = await pool.query<SealedRow>(text, [after, batchRows, ...parameters]);
    const last = rows.at(-1);
    if (last === undefined) return false;
    const ready: R[] = [];
    for (const row of rows) {
      const made = prepare(row);
      if (made === null) refused.push(String(row[id]));
      else ready.push(made);
    }
    if (refused.length > MAX_REFUSED) throw new Error("more than 1,000 rows do not open");
    after = String(last[id]);
    await write(ready, rows.length, after);
    return true;
  });
  return refused;
}

/** A row under one version of the service key, and whether it opens. */
export interface Sample {
  readonly version: number;
  readonly id: string;
  readonly opens: boolean;
}

/** Opens one row of a table for each of these versions that has one. */
export async function openSamples<T extends object>(
  db: Db,
  keyring: Keyring,
  table: SealedTable<T>,
  versions: readonly number[],
): Promise<Sample[]> {
  const { id = "id" } = table.declaration;
  const text = selectText(table.declaration, "substring(k.wrapped from 3 for 4) = $3");
  const samples: Sample[] = [];
  for (const version of versions) {
    const { rows } = await db.query<SealedRow>(text, [null, 1, versionBytes(version)]);
    for (const row of rows) samples.push({ version, id: String(row[id]), opens: opens(keyring, table, row) });
  }
  return samples;
}

function opens<T extends object>(keyring: Keyring, table: SealedTable<T>, row: SealedRow): boolean {
  try {
    table.open(keyring, row);
    return true;
  } catch {
    return false;
  }
}

// Identifiers are a declaration's own, which code makes; they are quoted all the same.
function selectText(declaration: TableDeclaration, where: string): string {
  const { table, id = "id", subject, typed, resettable = [] } = declaration;
  const columns = [...new Set([id, subject, ...typed, ...(resettable.length > 0 ? ["sealed_as"] : [])])];
  return [
    "select t.rev, t.open, t.sealed, k.wrapped as subject_key,",
    columns.map((column) => ddl("t.%I", column)).join(", "),
    ddl("from %I t join subject_keys k on k.subject_id = t.%I", table, subject),
    ddl("where ($1::uuid is null or t.%I > $1) and", id),
    where,
    ddl("order by t.%I limit $2", id),
  ].join("\n");
}
