import { inTransaction, type Tx, withClient } from "@medvault/postgres";
import type pg from "pg";
import { KeysError } from "../errors.ts";
import {
  assertSamePolicy,
  type Generation,
  generationTokens,
  loadGeneration,
  makeNextKey,
  nextOf,
} from "../indexes/generation.ts";
import { findIndexKeys } from "../indexes/index-keys.store.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { type Throttle, whenLetIn } from "../rotation/throttle.ts";
import type { SealedRow, SealedTable } from "../sealed-tables/sealed-table.ts";
import { indexesInUse, indexName } from "../sealed-tables/table-indexes.ts";
import * as store from "./index-rebuild.store.ts";
import { ALL_ROWS, overRows } from "./sealed-rows.store.ts";

/** Two at once would wait for each other's keys. */
class IndexRebuildBusy extends KeysError {
  readonly code = "index_rebuild_busy";
  override readonly kind = "conflict";
  constructor(table: string) {
    super(`Another command is rebuilding the indexes of ${table}.`);
  }
}

export type RebuildStep = "begun" | "finished";

export interface RebuildOptions extends Throttle {
  readonly batchRows?: number;
  /** In the transaction of each step. For the audit events. */
  readonly onStep: (tx: Tx, step: RebuildStep) => Promise<void>;
  /** After each batch: the rows seen. */
  readonly onProgress?: (rows: number) => void;
}

export interface RebuildResult {
  /** False: rows did not open, and the old key is still in use. */
  readonly finished: boolean;
  /** Rows that were given tokens. */
  readonly written: number;
  /** Ids of rows that do not open. */
  readonly refused: readonly string[];
}

interface Run<T extends object> extends RebuildOptions {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly table: SealedTable<T>;
}

/**
 * Rebuilds a table's blind indexes under new keys while traffic goes through LiveIndexes, and
 * deletes the old keys. From "begun" on every write has tokens of the next key; a pass gives them
 * to all other rows; then that key is in place and the old one gone. A run that was stopped is run
 * again: rows that are done are looked at and not written. A restore that swaps the table meanwhile
 * makes the pass begin again. Throws IndexRebuildBusy, or the signal's reason.
 */
export async function rebuildIndexes<T extends object>(
  pool: pg.Pool,
  keyring: Keyring,
  table: SealedTable<T>,
  options: RebuildOptions,
): Promise<RebuildResult> {
  const run = { ...options, pool, keyring, table };
  return withRebuildLock(pool, table, async () => {
    const { stored, next } = await loadGeneration(pool, keyring, table, null);
    assertSamePolicy(table, stored);
    if (next === null) await begin(run);
    return changeTokens(run);
  });
}

const indexNames = <T extends object>({ table: { declaration } }: Run<T>): string[] =>
  indexesInUse(declaration).map((field) => indexName(declaration, field));

async function begin<T extends object>(run: Run<T>): Promise<void> {
  await step(run, "begun", async (tx) => {
    const stored = await findIndexKeys(tx, run.table.declaration);
    for (const name of indexNames(run)) {
      const version = Math.max(...stored.filter((key) => key.name === name).map((key) => key.version)) + 1;
      await makeNextKey(tx, run.keyring, name, version);
    }
    return true;
  });
}

/**
 * Gives every row the tokens of the next key, then activates it, if every row opened; both again
 * when a restore swapped the table meanwhile.
 */
async function changeTokens<T extends object>(run: Run<T>): Promise<RebuildResult> {
  const { declaration } = run.table;
  let written = 0;
  for (;;) {
    const oid = await store.tableIdentity(run.pool, declaration);
    const done = await writeTokens(run);
    written += done.written;
    if (done.refused.length > 0) return { finished: false, written, refused: done.refused };
    const isDone = await step(run, "finished", async (tx) => {
      await store.keepTable(tx, declaration);
      if ((await store.tableIdentity(tx, declaration)) !== oid) return false;
      await tx.query(store.clearOrphansText(declaration));
      const stored = await findIndexKeys(tx, declaration);
      const next = indexNames(run).map((name) => nextOf(stored, name));
      await store.putNextInPlace(
        tx,
        next.filter((key) => key !== undefined),
      );
      return true;
    });
    if (isDone) return { finished: true, written, refused: [] };
  }
}

/** Gives every row the tokens of this generation. Rows written meanwhile have them already. */
async function writeTokens<T extends object>(run: Run<T>): Promise<Omit<RebuildResult, "finished">> {
  const { pool, keyring, table } = run;
  const generation = await loadGeneration(pool, keyring, table, null);
  const updateText = store.updateTokensText(table.declaration);
  let seen = 0;
  let written = 0;
  const refused = await overRows(
    pool,
    table,
    ALL_ROWS,
    run,
    (row) => rowTokens(run, generation, row),
    async (ready, rows) => {
      written += await inTransaction(pool, async (tx) => {
        let count = 0;
        for (const values of ready) count += (await tx.query(updateText, values)).rowCount ?? 0;
        return count;
      });
      seen += rows;
      run.onProgress?.(seen);
    },
  );
  return { written, refused };
}

/** The values of the update; null if the row does not open: one must not hide the others. */
function rowTokens<T extends object>({ keyring, table }: Run<T>, generation: Generation, row: SealedRow) {
  try {
    const tokens = generationTokens(table, generation, table.open(keyring, row));
    return [row[table.declaration.id ?? "id"], row.rev, ...Object.values(tokens)];
  } catch {
    return null;
  }
}

/** Changes the generation in a transaction that waits for writers; tried until it gets its turn. */
async function step<T extends object>(
  run: Run<T>,
  name: RebuildStep,
  change: (tx: Tx) => Promise<boolean>,
): Promise<boolean> {
  return whenLetIn(run.signal, () =>
    inTransaction(run.pool, async (tx) => {
      await store.changeGeneration(tx, run.table.declaration);
      const isChanged = await change(tx);
      if (isChanged) await run.onStep(tx, name);
      return isChanged;
    }),
  );
}

/** A lock of this session, not of a transaction: one rebuild of a table at a time. */
function withRebuildLock<T extends object, R>(
  pool: pg.Pool,
  { declaration }: SealedTable<T>,
  work: () => Promise<R>,
): Promise<R> {
  const name = [`medvault/index-rebuild/${declaration.service}/${declaration.table}`];
  return withClient(pool, async (client) => {
    const { rows } = await client.query<{ held: boolean }>(
      "select pg_try_advisory_lock(hashtextextended($1, 0)) as held",
      name,
    );
    if (!rows[0]?.held) throw new IndexRebuildBusy(declaration.table);
    try {
      return await work();
    } finally {
      // A lost connection has given the lock back by itself; what `work` threw matters then.
      const unlock = "select pg_advisory_unlock(hashtextextended($1, 0))";
      await client.query(unlock, name).catch(() => undefined);
    }
  });
}
