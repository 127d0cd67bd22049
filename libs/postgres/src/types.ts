import type pg from "pg";
import type { QueryResult, QueryResultRow } from "pg";

/** Anything that runs a statement: pool, client, transaction. A store's first argument. */
export interface Db {
  query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>>;
}

declare const transactionBrand: unique symbol;

/** A client in a transaction of `inTransaction`. Use `query` only: it begins and commits. */
export type Tx = pg.PoolClient & { readonly [transactionBrand]: true };
