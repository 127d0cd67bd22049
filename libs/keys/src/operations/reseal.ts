import { BOX_OVERHEAD_BYTES, paddedLengths } from "@medvault/crypto";
import { ddl, inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import { DeclarationFault } from "../errors.ts";
import { assertSamePolicy, generationTokens, loadGeneration } from "../indexes/generation.ts";
import { holdGeneration } from "../indexes/index-keys.store.ts";
import type { Keyring } from "../keyring/keyring.ts";
import type { SealedRow, SealedTable } from "../sealed-tables/sealed-table.ts";
import { tokenColumns } from "../sealed-tables/table-indexes.ts";
import { ALL_ROWS, overRows, type RowBatches } from "./sealed-rows.store.ts";

// The second byte of a box (libs/crypto/FORMATS.md).
const SUITE_BYTES = { "aes-256-gcm": 1, "chacha20-poly1305": 2 } as const;

const PADDED_BOXES = paddedLengths().map((length) => length + BOX_OVERHEAD_BYTES);

// On another suite, or with other fields left open, than declared; or sealed without padding.
const OUTDATED = `(octet_length(t.sealed) <> all($5::int[]) or get_byte(t.sealed, 1) <> $3
  or (select coalesce(array_agg(k order by k collate "C"), '{}') from jsonb_object_keys(t.open) as k) <> $4::text[])`;

/** A row as its new event describes it. */
export interface ResealedRow {
  readonly id: string;
  readonly subjectId: string;
  readonly rev: number;
  readonly boxSha256: string;
}

export interface ResealOptions extends RowBatches {
  /** Also rows that need no sealing: after an index was switched off or on. */
  readonly all?: boolean;
  /** In each batch's transaction. For the audit events. */
  readonly onRows: (tx: Tx, rows: readonly ResealedRow[]) => Promise<void>;
  /** After each batch: how many rows are done, and the last id that was looked at. */
  readonly onProgress?: (done: number, lastId: string) => void;
}

export interface ResealResult {
  readonly resealed: number;
  /** Rows that another request wrote meanwhile, so that they are on the present declaration. */
  readonly overtaken: number;
  /** Ids of rows that do not open; they stay as they are. */
  readonly refused: readonly string[];
}

/**
 * Seals the rows of a table again that are not on its present declaration and suite, or are not
 * padded, each as its next revision if no request wrote it meanwhile, in batches that each commit.
 * A run that was stopped is run again: what is done is not found again. A rebuild of the table's
 * indexes may go on meanwhile: each batch writes the tokens of the generation that it holds. Throws
 * DeclarationFault, with nothing written, when a row holds a field declared no more,
 * IndexPolicyDiffers, or the signal's reason.
 */
export async function reseal<T extends object>(
  pool: pg.Pool,
  keyring: Keyring,
  table: SealedTable<T>,
  options: ResealOptions,
): Promise<ResealResult> {
  const update = updateText(table);
  const { suite = "aes-256-gcm", open = [] } = table.declaration;
  const outdated = { where: OUTDATED, parameters: [SUITE_BYTES[suite], [...open].sort(), PADDED_BOXES] };
  let resealed = 0;
  let overtaken = 0;
  const refused = await overRows(
    pool,
    table,
    options.all ? ALL_ROWS : outdated,
    options,
    (row) => resealRow(keyring, table, row),
    async (ready, _rows, lastId) => {
      const saved = await inTransaction(pool, (tx) => save(tx, { keyring, table }, update, ready, options));
      resealed += saved;
      overtaken += ready.length - saved;
      options.onProgress?.(resealed, lastId);
    },
  );
  return { resealed, overtaken, refused };
}

interface ReadyRow<T> {
  readonly event: ResealedRow;
  readonly value: T;
  readonly values: unknown[];
}

function resealRow<T extends object>(
  keyring: Keyring,
  table: SealedTable<T>,
  row: SealedRow,
): ReadyRow<T> | null {
  try {
    const { value, box } = table.reseal(keyring, row);
    const id = String(row[table.declaration.id ?? "id"]);
    const rev = row.rev + 1;
    const subjectId = String(row[table.declaration.subject]);
    const event = { id, subjectId, rev, boxSha256: table.boxHash(box.sealed) };
    return { event, value, values: [id, rev, box.open, box.sealed] };
  } catch (error) {
    if (error instanceof DeclarationFault) throw error;
    return null; // one damaged row must not stop all others
  }
}

async function save<T extends object>(
  tx: Tx,
  { keyring, table }: { keyring: Keyring; table: SealedTable<T> },
  update: string,
  ready: readonly ReadyRow<T>[],
  { onRows }: ResealOptions,
): Promise<number> {
  const saved: ResealedRow[] = [];
  const tokensOf = await heldTokens(tx, keyring, table);
  for (const { event, value, values } of ready) {
    const { rowCount } = await tx.query(update, [...values, ...tokensOf(value)]);
    if (rowCount === 1) saved.push(event);
  }
  if (saved.length > 0) await onRows(tx, saved);
  return saved.length;
}

/** How to make a row's tokens, of the generation of keys that this transaction holds. */
export async function heldTokens<T extends object>(
  tx: Tx,
  keyring: Keyring,
  table: SealedTable<T>,
): Promise<(value: T) => unknown[]> {
  if (tokenColumns(table.declaration).length === 0) return () => [];
  await holdGeneration(tx, table.declaration);
  const generation = await loadGeneration(tx, keyring, table, null);
  assertSamePolicy(table, generation.stored);
  return (value) => Object.values(generationTokens(table, generation, value));
}

function updateText<T extends object>({ declaration }: SealedTable<T>): string {
  const { table, id = "id", resettable = [] } = declaration;
  const tokens = tokenColumns(declaration).map((column, at) => ddl(", %I = $", column).concat(`${at + 5}`));
  return [
    ddl("update %I set rev = $2, open = $3, sealed = $4", table),
    resettable.length > 0 ? ", sealed_as = null" : "",
    ...tokens,
    ddl("where %I = $1 and rev = $2 - 1", id),
  ].join(" ");
}
