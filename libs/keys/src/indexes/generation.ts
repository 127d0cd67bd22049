import { randomBytes } from "node:crypto";
import type { Db } from "@medvault/postgres";
import { IndexPolicyDiffers } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { indexKey } from "../keyring/service-keys.ts";
import type { SealedTable } from "../sealed-tables/sealed-table.ts";
import { type IndexKeys, type IndexTokens, indexesInUse } from "../sealed-tables/table-indexes.ts";
import { findIndexKeys, insertNextKey, type StoredIndexKey } from "./index-keys.store.ts";

/** The opened keys of a table's indexes: of now and, during a rebuild, of the next generation. */
export interface Generation {
  /** Two that are the same have the same keys; one that has passed does not come back. */
  readonly mark: string;
  readonly stored: readonly StoredIndexKey[];
  readonly current: IndexKeys;
  readonly next: IndexKeys | null;
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
 * An index that the code declares is there from the first row on, so its key is in place at once.
 * One that an operator adds, or that was switched off from the start, misses the rows of before
 * until a rebuild has put its key in place.
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
export function namesNotInUse<T extends object>(
  { declaration }: SealedTable<T>,
  stored: readonly StoredIndexKey[],
): string[] {
  const names = new Set(indexesInUse(declaration).map(({ keyName }) => keyName));
  return stored.filter(({ name, state }) => state === "active" && !names.has(name)).map(({ name }) => name);
}

/** Throws IndexPolicyDiffers when the services have indexes that the policy here does not know. */
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

/** Sorted, so that they do not show which are of which key. */
function union(some: readonly string[], others: readonly string[]): string[] {
  return [...new Set([...some, ...others])].sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));
}

const markOf = (stored: readonly StoredIndexKey[]): string =>
  stored.map(({ name, version, state }) => `${name}/${version}/${state}`).join(" ");
