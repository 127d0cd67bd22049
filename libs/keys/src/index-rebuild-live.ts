import { randomBytes } from "node:crypto";
import type { Db, Tx } from "@medvault/postgres";
import { IndexPolicyDiffers } from "./errors.ts";
import {
  findIndexKeys,
  holdGeneration,
  insertNextKey,
  retireIndexKeys,
  type StoredIndexKey,
} from "./index-rebuild.store.ts";
import { type IndexKeys, type IndexTokens, indexesInUse } from "./indexes.ts";
import type { Keyring } from "./keyring.ts";
import type { SealedTable } from "./sealed-table.ts";
import { indexKey } from "./service-keys.ts";

const MAX_READS = 5;

/** What to look for by the keys of one moment. Null: nothing, every row is a candidate, to be opened and looked at. */
export interface IndexQuery {
  /** `@> $1::bigint[]`; empty where the part is part of nothing. */
  substring(field: string, part: string): string[] | null;
  /** `= any($1::bytea[])`: while an index is built anew a row has the token of one key or of the other. */
  exact(field: string, part: string): Buffer[] | null;
  /** `added_tokens @> $1::text[]`, for those of the fields whose index an operator added; a part may be absent. */
  added(parts: Readonly<Record<string, string | undefined>>): string[] | null;
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
    const stored = await findIndexKeys(db, table.declaration);
    await retireIndexKeys(db, namesNotInUse(table, stored));
    return new LiveIndexes(keyring, table, await loadGeneration(db, keyring, table, null));
  }

  /** Fields whose index is not in place yet: searches open every row in reach until `keys reindex` has finished. */
  get incomplete(): string[] {
    const { current } = this.#generation;
    return Object.keys(current).filter((field) => current[field] === null);
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
    // Put in place under another policy than ours: what we write has no such tokens, so nothing may be found by them.
    if (loaded !== known) await retireIndexKeys(db, namesNotInUse(this.#table, loaded.stored));
    // Another request may have loaded a later one while this one was asking.
    if (loaded !== known && this.#generation === known) this.#generation = loaded;
    return loaded;
  }
}

/** The generation of now; `known` itself when it is still that. Makes keys that are missing. */
export async function loadGeneration<T extends object>(
  db: Db,
  keyring: Keyring,
  table: SealedTable<T>,
  known: Generation | null,
): Promise<Generation> {
  let stored = await findIndexKeys(db, table.declaration);
  if (known?.mark === markOf(stored)) return known;
  if (await makeMissing(db, keyring, table, stored)) stored = await findIndexKeys(db, table.declaration);
  const opened = (key: StoredIndexKey): Buffer =>
    Buffer.from(keyring.opened(key.wrapped, ["index", key.name]).key); // the cache wipes its own
  const current: Record<string, Buffer | null> = {};
  const next: Record<string, Buffer | null> = {};
  let isBuilding = false;
  for (const { field, keyName } of indexesInUse(table.declaration)) {
    const active = stored.find(({ name, state }) => name === keyName && state === "active");
    const coming = nextOf(stored, keyName);
    current[field] = active ? opened(active) : null;
    next[field] = coming ? opened(coming) : current[field];
    isBuilding ||= coming !== undefined;
  }
  return { mark: markOf(stored), stored, current, next: isBuilding ? next : null };
}

/**
 * An index that the code declares is there from the first row on, so its key is in place at once. One that an operator
 * adds, or that was switched off from the start, misses the rows of before until a rebuild has put its key in place.
 */
async function makeMissing<T extends object>(
  db: Db,
  keyring: Keyring,
  { declaration }: SealedTable<T>,
  stored: readonly StoredIndexKey[],
): Promise<boolean> {
  const inUse = indexesInUse(declaration);
  const isMissing = (keyName: string) => !stored.some(({ name }) => name === keyName);
  const own = inUse.filter(({ isAdded, keyName }) => !isAdded && isMissing(keyName));
  for (const { keyName } of own) await indexKey(db, keyring, keyName);
  const off = Object.keys(declaration.indexes ?? {})
    .map((field) => `${declaration.table}.${field}`)
    .filter((name) => !inUse.some(({ keyName }) => keyName === name));
  const later = [...inUse.filter(({ isAdded }) => isAdded).map(({ keyName }) => keyName), ...off];
  for (const name of later.filter(isMissing)) await makeNextKey(db, keyring, name, 1);
  return own.length > 0 || later.some(isMissing);
}

/** A new key of an index, to be put in place when every row has its tokens. */
export async function makeNextKey(db: Db, keyring: Keyring, name: string, version: number): Promise<void> {
  const secret = randomBytes(32);
  const wrapped = keyring.wrap(secret, ["index", name], version);
  secret.fill(0);
  await insertNextKey(db, { name, version, wrapped });
}

/** Active keys of indexes that the table does not have under its declaration and policy. */
function namesNotInUse<T extends object>(
  { declaration }: SealedTable<T>,
  stored: readonly StoredIndexKey[],
): string[] {
  const names = new Set(indexesInUse(declaration).map(({ keyName }) => keyName));
  return stored.filter(({ name, state }) => state === "active" && !names.has(name)).map(({ name }) => name);
}

/** Throws IndexPolicyDiffers when the services have indexes that the policy given here does not know. */
export function assertSamePolicy<T extends object>(
  table: SealedTable<T>,
  stored: readonly StoredIndexKey[],
): void {
  const names = namesNotInUse(table, stored);
  if (names.length > 0) throw new IndexPolicyDiffers(names);
}

/** The newest key of an index that is newer than the one in place. */
export function nextOf(stored: readonly StoredIndexKey[], keyName: string): StoredIndexKey | undefined {
  const ours = stored.filter(({ name }) => name === keyName);
  const inPlace = ours.find(({ state }) => state === "active")?.version ?? 0;
  return ours.findLast(({ state, version }) => state === "retired" && version > inPlace);
}

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
  const added = new Set(Object.keys(table.declaration.addedIndexes ?? {}));
  return {
    substring: (field, part) =>
      added.has(field) ? null : (table.queryTokens(current, field, part) as string[] | null),
    exact: (field, part) => {
      if (added.has(field) || table.queryTokens(current, field, part) === null) return null;
      return [current, ...(next ? [next] : [])].map((keys) => table.queryTokens(keys, field, part) as Buffer);
    },
    added: (parts) => {
      const tokens = Object.entries(parts).flatMap(([field, part]) => {
        if (part === undefined || !added.has(field)) return [];
        return (table.queryTokens(current, field, part) as string[] | null) ?? [];
      });
      return tokens.length === 0 ? null : tokens;
    },
  };
}

/** Sorted, so that they do not show which are of which key. */
function union(some: readonly string[], others: readonly string[]): string[] {
  return [...new Set([...some, ...others])].sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));
}

const markOf = (stored: readonly StoredIndexKey[]): string =>
  stored.map(({ name, version, state }) => `${name}/${version}/${state}`).join(" ");
