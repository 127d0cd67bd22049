import type { Db, Tx } from "@medvault/postgres";
import { findIndexKeys, holdGeneration, type StoredIndexKey } from "./index-rebuild.store.ts";
import type { IndexKeys, IndexTokens } from "./indexes.ts";
import type { Keyring } from "./keyring.ts";
import type { SealedTable } from "./sealed-table.ts";

const MAX_READS = 5;

/** What to look for by the keys of one moment. */
export interface IndexQuery {
  /** `@> $1::bigint[]`; empty where every row is a candidate, or the part is part of nothing. */
  substring(field: string, part: string): string[];
  /** `= any($1::bytea[])`: while an index is built anew a row has the token of one key or of the other. */
  exact(field: string, part: string): Buffer[];
}

/** The keys of a table's indexes, opened: of now and, while a rebuild goes on, of the next generation. */
export interface Generation {
  /** Two that are the same have the same keys; one that has passed does not come back. */
  readonly mark: string;
  readonly stored: readonly StoredIndexKey[];
  readonly current: IndexKeys;
  readonly next: IndexKeys | null;
}

/**
 * A table's blind indexes for a process that runs while they may be built anew. A substring column holds tokens of both
 * keys meanwhile, so that the present key finds every row until the next is in place; an exact one has room for one
 * token, so that both are looked for.
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

  /** Opens the keys, made at first use: once, at boot, so that no transaction waits for another's first use. */
  static async open<T extends object>(
    db: Db,
    keyring: Keyring,
    table: SealedTable<T>,
  ): Promise<LiveIndexes<T>> {
    return new LiveIndexes(keyring, table, await loadGeneration(db, keyring, table, null));
  }

  /** What to store for a value, to be written in this transaction, which keeps a rebuild's next step waiting. */
  async tokens(tx: Tx, value: T): Promise<IndexTokens> {
    return generationTokens(this.#table, await this.#held(tx), value);
  }

  /** As tokens, for many. */
  async tokensOfAll(tx: Tx, values: readonly T[]): Promise<IndexTokens[]> {
    const generation = await this.#held(tx);
    return values.map((value) => generationTokens(this.#table, generation, value));
  }

  /**
   * Runs a search so that it misses no row: when the keys changed before it ended, it is run again. `work` changes nothing.
   * `db` must be where writes go.
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
    // Another request may have loaded a later one while this one was asking.
    if (loaded !== known && this.#generation === known) this.#generation = loaded;
    return loaded;
  }
}

/** The generation of now; `known` itself when it is still that. */
export async function loadGeneration<T extends object>(
  db: Db,
  keyring: Keyring,
  table: SealedTable<T>,
  known: Generation | null,
): Promise<Generation> {
  let stored = await findIndexKeys(db, table.declaration);
  if (known?.mark === markOf(stored)) return known;
  const fields = Object.keys(table.declaration.indexes ?? {});
  const keyOf = (field: string) => `${table.declaration.table}.${field}`;
  const activeOf = (field: string) =>
    stored.find(({ name, state }) => name === keyOf(field) && state === "active");
  if (!fields.every(activeOf)) {
    await table.indexKeys(db, keyring); // makes what is missing
    stored = await findIndexKeys(db, table.declaration);
  }
  const opened = (key: StoredIndexKey): Buffer =>
    Buffer.from(keyring.opened(key.wrapped, ["index", key.name]).key); // the cache wipes its own
  const current: Record<string, Buffer> = {};
  const next: Record<string, Buffer> = {};
  let isBuilding = false;
  for (const field of fields) {
    const active = activeOf(field);
    if (!active) continue; // then seal and search throw DeclarationFault
    const coming = nextOf(stored, active);
    current[field] = opened(active);
    next[field] = coming ? opened(coming) : current[field];
    isBuilding ||= coming !== undefined;
  }
  return { mark: markOf(stored), stored, current, next: isBuilding ? next : null };
}

export const nextOf = (
  stored: readonly StoredIndexKey[],
  active: StoredIndexKey,
): StoredIndexKey | undefined =>
  stored.findLast(
    ({ name, state, version }) => name === active.name && state === "retired" && version > active.version,
  );

/** What a row of that value holds in this generation. */
export function generationTokens<T extends object>(
  table: SealedTable<T>,
  { current, next }: Generation,
  value: T,
): IndexTokens {
  const now = table.indexTokens(current, value);
  if (next === null) return now;
  const coming = table.indexTokens(next, value);
  const tokens: Record<string, string[] | Buffer | null> = {};
  for (const [field, of] of Object.entries(coming)) {
    const before = now[field];
    tokens[field] = Array.isArray(of) && Array.isArray(before) ? union(before, of) : of;
  }
  return tokens;
}

function queryOf<T extends object>(table: SealedTable<T>, { current, next }: Generation): IndexQuery {
  return {
    substring: (field, part) => table.queryTokens(current, field, part) as string[],
    exact: (field, part) =>
      [current, ...(next ? [next] : [])].map((keys) => table.queryTokens(keys, field, part) as Buffer),
  };
}

/** Sorted, so that they do not show which are of which key. */
function union(some: readonly string[], others: readonly string[]): string[] {
  return [...new Set([...some, ...others])].sort((a, b) => Number(a) - Number(b));
}

const markOf = (stored: readonly StoredIndexKey[]): string =>
  stored.map(({ name, version, state }) => `${name}/${version}/${state}`).join(" ");
