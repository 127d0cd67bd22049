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

export type RebuildStep = "begun" | "in_place" | "finished";

export interface RebuildOptions extends Throttle {
  readonly batchRows?: number;
  /** In the transaction of each step. For the audit events. */
  readonly onStep: (tx: Tx, step: RebuildStep) => Promise<void>;
  /** After each batch: the pass (1 adds new tokens, 2 takes old ones) and the rows seen in it. */
  readonly onProgress?: (pass: 1 | 2, rows: number) => void;
}

export interface RebuildResult {
  /** False: rows did not open, and the old key is still in use. */
  readonly finished: boolean;
  /** Rows that were given tokens, twice where they were in both passes. */
  readonly written: number;
  /** Ids of rows that do not open. */
  readonly refused: readonly string[];
}

type Pass = Pick<RebuildResult, "written" | "refused">;

interface Run<T extends object> extends RebuildOptions {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly table: SealedTable<T>;
}

/**
 * Rebuilds a table's blind indexes under new keys while traffic goes through LiveIndexes, and
 * destroys the old keys. From "begun" on every write has tokens of both keys; the first pass gives
 * them to all other rows; then the new key is in place and the old one gone, and the second pass
 * takes the old tokens. A run that was stopped is run again: rows that are done are looked at and
 * not written. A restore that swaps the table meanwhile makes a pass begin again. Throws
 * IndexRebuildBusy, or the signal's reason.
 */
export async function rebuildIndexes<T extends object>(
  pool: pg.Pool,
  keyring: Keyring,
  table: SealedTable<T>,
  options: RebuildOptions,
): Promise<RebuildResult> {
  const run = { ...options, pool, keyring, table };
  return withRebuildLock(pool, table, async () => {
    const { isBuilding, isDropping } = await progressOf(run);
    if (!isBuilding && !isDropping) await begin(run);
    const first = isDropping ? { written: 0, refused: [] } : await addTokens(run);
    if (first.refused.length > 0) return { finished: false, ...first };
    const second = await dropTokens(run);
    return { finished: true, written: first.written + second.written, refused: second.refused };
  });
}

async function progressOf<T extends object>({ pool, keyring, table }: Run<T>) {
  const { stored, next } = await loadGeneration(pool, keyring, table, null);
  assertSamePolicy(table, stored);
  const names = store.indexNames(table.declaration);
  const isDropping = stored.some(({ name, state }) => state === "destroyed" && names.includes(name));
  return { isBuilding: next !== null, isDropping };
}

async function begin<T extends object>(run: Run<T>): Promise<void> {
  await step(run, "begun", async (tx) => {
    const stored = await findIndexKeys(tx, run.table.declaration);
    for (const name of store.indexNames(run.table.declaration)) {
      const version = Math.max(...stored.filter((key) => key.name === name).map((key) => key.version)) + 1;
      await makeNextKey(tx, run.keyring, name, version);
    }
    return true;
  });
}

/** Gives every row the tokens of both keys, then activates the new key, if every row opened. */
function addTokens<T extends object>(run: Run<T>): Promise<Pass> {
  return passAndStep(run, 1, "in_place", async (tx) => {
    const stored = await findIndexKeys(tx, run.table.declaration);
    const next = store.indexNames(run.table.declaration).map((name) => nextOf(stored, name));
    await store.putNextInPlace(
      tx,
      next.filter((key) => key !== undefined),
    );
  });
}

/** Takes the old key's tokens from every row, then forgets the old key. */
function dropTokens<T extends object>(run: Run<T>): Promise<Pass> {
  return passAndStep(run, 2, "finished", async (tx) => {
    await tx.query(store.clearOrphansText(run.table.declaration));
    await store.forgetDestroyedKeys(tx, run.table.declaration);
  });
}

/** A pass over all rows, then its step; both again when a restore swapped the table meanwhile. */
async function passAndStep<T extends object>(
  run: Run<T>,
  pass: 1 | 2,
  name: RebuildStep,
  change: (tx: Tx) => Promise<void>,
): Promise<Pass> {
  const { declaration } = run.table;
  let written = 0;
  for (;;) {
    const oid = await store.tableIdentity(run.pool, declaration);
    const done = await writeTokens(run, pass);
    written += done.written;
    if (pass === 1 && done.refused.length > 0) return { written, refused: done.refused };
    const isDone = await step(run, name, async (tx) => {
      await store.keepTable(tx, declaration);
      if ((await store.tableIdentity(tx, declaration)) !== oid) return false;
      await change(tx);
      return true;
    });
    if (isDone) return { written, refused: done.refused };
  }
}

/** Gives every row the tokens of this generation. Rows written meanwhile have them already. */
async function writeTokens<T extends object>(run: Run<T>, pass: 1 | 2): Promise<Pass> {
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
      run.onProgress?.(pass, seen);
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
