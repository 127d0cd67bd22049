import type { Db, Tx } from "@medvault/postgres";
import type { Keyring } from "../keyring/keyring.ts";
import type { SealedTable } from "../sealed-tables/sealed-table.ts";
import type { IndexTokens } from "../sealed-tables/table-indexes.ts";
import { type Generation, generationTokens, loadGeneration, namesNotInUse } from "./generation.ts";
import { findIndexKeys, holdGeneration, retireIndexKeys } from "./index-keys.store.ts";

const MAX_READS = 5;

/** What to look for by the keys of one moment. */
export interface IndexQuery {
  /**
   * `= any($1::bytea[])`, of any of these texts: during a rebuild a row has the token of one key or
   * of the other. Null: no such index is in place, every row is a candidate, to be opened.
   */
  exact(field: string, ...texts: readonly string[]): Buffer[] | null;
}

/**
 * A table's blind indexes for a process that runs while they may be rebuilt. A column has room for
 * one token: meanwhile rows have that of the next key when they are written, and both are looked
 * for.
 */
export class LiveIndexes<T extends object> {
  readonly #keyring: Keyring;
  readonly #table: SealedTable<T>;
  #generation: Generation;

  private constructor(keyring: Keyring, table: SealedTable<T>, generation: Generation) {
    this.#keyring = keyring;
    this.#table = table;
    this.#generation = generation;
  }

  /** Opens the keys, made at first use: once, at boot, so that no transaction waits for another. */
  static async open<T extends object>(
    db: Db,
    keyring: Keyring,
    table: SealedTable<T>,
  ): Promise<LiveIndexes<T>> {
    const stored = await findIndexKeys(db, table.declaration);
    await retireIndexKeys(db, namesNotInUse(table, stored));
    return new LiveIndexes(keyring, table, await loadGeneration(db, keyring, table, null));
  }

  /** Fields whose index is not in place: searches open every row in reach until `keys reindex`. */
  get incomplete(): string[] {
    const { current } = this.#generation;
    return Object.keys(current).filter((field) => current[field] === null);
  }

  /** What to look for in a transaction that has written tokens: it holds the keys of now. */
  get held(): IndexQuery {
    return queryOf(this.#table, this.#generation);
  }

  /** What to store for a value in this transaction, which keeps a rebuild's next step waiting. */
  async tokens(tx: Tx, value: T): Promise<IndexTokens> {
    return generationTokens(this.#table, await this.#held(tx), value);
  }

  /** As tokens, for many. */
  async tokensOfAll(tx: Tx, values: readonly T[]): Promise<IndexTokens[]> {
    const generation = await this.#held(tx);
    return values.map((value) => generationTokens(this.#table, generation, value));
  }

  /**
   * Runs a search so that it misses no row: when the keys changed before it ended, it is run again.
   * `work` changes nothing. `db` must be where writes go.
   */
  async read<R>(db: Db, work: (query: IndexQuery) => Promise<R>): Promise<R> {
    for (let tries = 1; ; tries += 1) {
      const generation = this.#generation;
      const result = await work(queryOf(this.#table, generation));
      // A generation does not come back, so if it is the same now it was all the while.
      if ((await this.#reload(db)).mark === generation.mark) return result;
      if (tries === MAX_READS) throw new Error("the index keys changed during every try of a search");
    }
  }

  async #held(tx: Tx): Promise<Generation> {
    await holdGeneration(tx, this.#table.declaration);
    return this.#reload(tx); // a statement of its own: one that waited for the lock would not see what was done under it
  }

  async #reload(db: Db): Promise<Generation> {
    const known = this.#generation;
    const loaded = await loadGeneration(db, this.#keyring, this.#table, known);
    // In place under another policy: what we write lacks such tokens, so they must find nothing.
    if (loaded !== known) await retireIndexKeys(db, namesNotInUse(this.#table, loaded.stored));
    // Another request may have loaded a later one while this one was asking.
    if (loaded !== known && this.#generation === known) this.#generation = loaded;
    return loaded;
  }
}

function queryOf<T extends object>(table: SealedTable<T>, { current, next }: Generation): IndexQuery {
  const keys = [current, ...(next ? [next] : [])];
  return {
    exact: (field, ...texts) => {
      if (table.queryTokens(current, field, "") === null) return null;
      return keys.flatMap((of) => texts.flatMap((text) => table.queryTokens(of, field, text) ?? []));
    },
  };
}
