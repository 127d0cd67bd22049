import { type Db, ddl, type Tx } from "@medvault/postgres";
import type { StoredIndexKey } from "../indexes/index-keys.store.ts";
import type { TableDeclaration } from "../sealed-tables/declaration.ts";
import { tokenColumns } from "../sealed-tables/table-indexes.ts";

/**
 * Waits for every transaction that holds the generation, and keeps others from beginning. Throws
 * 55P03 after a second, so that writers who wait behind us do not wait for long.
 */
export async function changeGeneration(tx: Tx, { service, table }: TableDeclaration): Promise<void> {
  await tx.query("set local lock_timeout = '1s'");
  await tx.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
    `medvault/index-generation/${service}/${table}`,
  ]);
}

/** The keys of these indexes before the given ones are gone for good, and those are active. */
export async function putNextInPlace(tx: Tx, next: readonly StoredIndexKey[]): Promise<void> {
  const places = [next.map(({ name }) => name), next.map(({ version }) => version)];
  await tx.query(
    `delete from keys k using unnest($1::text[], $2::int[]) as x (name, version)
      where k.kind = 'index' and k.name = x.name and k.version < x.version`,
    places,
  );
  await tx.query(
    `update keys k set state = 'active' from unnest($1::text[], $2::int[]) as x (name, version)
      where k.kind = 'index' and k.name = x.name and k.version = x.version`,
    places,
  );
}

/** Which table that name means now: another one after a restore has swapped it. */
export async function tableIdentity(db: Db, { table }: TableDeclaration): Promise<number> {
  const { rows } = await db.query<{ oid: number }>("select to_regclass(quote_ident($1))::oid as oid", [
    table,
  ]);
  return rows[0]?.oid ?? 0;
}

/** Keeps a restore from swapping the table until this transaction ends. */
export async function keepTable(tx: Tx, { table }: TableDeclaration): Promise<void> {
  await tx.query(ddl("lock table %I in access share mode", table));
}

/** $1 id, $2 the revision of the tokens, then the tokens: writes nothing that is there already. */
export function updateTokensText(declaration: TableDeclaration): string {
  const columns = tokenColumns(declaration);
  const place = (at: number) => `$${at + 3}::bytea`;
  return [
    ddl("update %I set", declaration.table),
    columns.map((column, at) => ddl("%I = ", column).concat(place(at))).join(", "),
    ddl("where %I = $1 and rev = $2 and (", declaration.id ?? "id"),
    columns.map((column, at) => ddl("%I is distinct from ", column).concat(place(at))).join(" or "),
    ")",
  ].join(" ");
}

/** Clears tokens of rows whose subject's key is gone: they find nothing, and invite guesses. */
export function clearOrphansText(declaration: TableDeclaration): string {
  const columns = tokenColumns(declaration);
  return [
    ddl("update %I t set", declaration.table),
    columns.map((column) => ddl("%I = null", column)).join(", "),
    ddl("where not exists (select from subject_keys k where k.subject_id = t.%I) and (", declaration.subject),
    columns.map((column) => ddl("%I is not null", column)).join(" or "),
    ")",
  ].join(" ");
}
