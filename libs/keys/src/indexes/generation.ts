import { randomBytes } from "node:crypto";
import type { Db } from "@medvault/postgres";
import { IndexPolicyDiffers } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { indexKey } from "../keyring/service-keys.ts";
import type { SealedTable } from "../sealed-tables/sealed-table.ts";
import { type IndexKeys, type IndexTokens, indexesInUse, indexName } from "../sealed-tables/table-indexes.ts";
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
  for (const field of indexesInUse(table.declaration)) {
    const keyName = indexName(table.declaration, field);
    const active = stored.find(({ name, state }) => name === keyName && state === "active");
    const coming = nextOf(stored, keyName);
    current[field] = active ? opened(active) : null;
    next[field] = coming ? opened(coming) : current[field];
    isBuilding ||= coming !== undefined;
  }
  return { mark: markOf(stored), stored, current, next: isBuilding ? next : null };
}

/**
 * An index is there from the first row on, so its key is in place at once. One that was switched
 * off from the start misses the rows of before until a rebuild has put its key in place.
 */
async function makeMissing<T extends object>(
  db: Db,
  keyring: Keyring,
  { declaration }: SealedTable<T>,
  stored: readonly StoredIndexKey[],
): Promise<boolean> {
  const inUse = indexesInUse(declaration);
  const missing = (declaration.exact ?? []).filter(
    (field) => !stored.some(({ name }) => name === indexName(declaration, field)),
  );
  for (const field of missing) {
    const name = indexName(declaration, field);
    if (inUse.includes(field)) await indexKey(db, keyring, name);
    else await makeNextKey(db, keyring, name, 1);
  }
  return missing.length > 0;
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
  const names = new Set(indexesInUse(declaration).map((field) => indexName(declaration, field)));
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

/** What a row of that value holds in this generation: there is room for one token. */
export const generationTokens = <T extends object>(
  table: SealedTable<T>,
  { current, next }: Generation,
  value: T,
): IndexTokens => table.indexTokens(next ?? current, value);

const markOf = (stored: readonly StoredIndexKey[]): string =>
  stored.map(({ name, version, state }) => `${name}/${version}/${state}`).join(" ");
