import type { Db, Tx } from "@medvault/postgres";
import type { TableDeclaration } from "../sealed-tables/declaration.ts";

/** A key of a blind index, of any generation. */
export interface StoredIndexKey {
  readonly name: string;
  readonly version: number;
  /** Retired above the active version: the next. */
  readonly state: "active" | "retired" | "destroyed";
  readonly wrapped: Buffer;
}

/** Of all indexes that the table has or had. */
export async function findIndexKeys(db: Db, { table }: TableDeclaration): Promise<StoredIndexKey[]> {
  const { rows } = await db.query<StoredIndexKey>(
    `select name, version, state, wrapped from keys where kind = 'index' and starts_with(name, $1)
      order by name, version`,
    [`${table}.`],
  );
  return rows;
}

/** Nothing is searched by these any more: rows that are written from now on lack their tokens. */
export async function retireIndexKeys(db: Db, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await db.query(
    "update keys set state = 'retired' where kind = 'index' and name = any($1::text[]) and state = 'active'",
    [names],
  );
}

/** Until this transaction ends no generation begins or ends: it writes what it reads next. */
export async function holdGeneration(tx: Tx, { service, table }: TableDeclaration): Promise<void> {
  await tx.query("select pg_advisory_xact_lock_shared(hashtextextended($1, 0))", [
    `medvault/index-generation/${service}/${table}`,
  ]);
}

export async function insertNextKey(
  db: Db,
  key: Pick<StoredIndexKey, "name" | "version" | "wrapped">,
): Promise<void> {
  await db.query(
    `insert into keys (kind, name, version, wrapped, state) values ('index', $1, $2, $3, 'retired')
     on conflict do nothing`,
    [key.name, key.version, key.wrapped],
  );
}
