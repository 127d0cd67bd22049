import { type Db, ddl, type Tx } from "@medvault/postgres";

/** Keyed tokens, each of one owner: `token bytea`, `layer integer`, unique by owner and token. */
export interface TokenTable {
  readonly service: string;
  /** Also the name of its table keys. */
  readonly table: string;
  readonly owner: string;
}

export interface StoredLayer {
  readonly version: number;
  readonly state: "active" | "retired" | "destroyed";
  readonly wrapped: Buffer;
}

export interface StoredToken {
  readonly owner: string;
  readonly token: Buffer;
  readonly layer: number;
}

export async function findLayers(db: Db, { table }: TokenTable): Promise<StoredLayer[]> {
  const { rows } = await db.query<StoredLayer>(
    "select version, state, wrapped from keys where kind = 'table' and name = $1 order by version",
    [table],
  );
  return rows;
}

/** The layer above: what is written from now on lies under it too. */
export async function insertLayer(tx: Tx, { table }: TokenTable, layer: Omit<StoredLayer, "state">) {
  await tx.query(
    "update keys set state = 'retired' where kind = 'table' and name = $1 and state = 'active'",
    [table],
  );
  await tx.query("insert into keys (kind, name, version, wrapped) values ('table', $1, $2, $3)", [
    table,
    layer.version,
    layer.wrapped,
  ]);
}

/** Until this transaction ends no layer is added: it writes under the last one that it reads. */
export async function holdLayers(tx: Tx, { service, table }: TokenTable): Promise<void> {
  await tx.query("select pg_advisory_xact_lock_shared(hashtextextended($1, 0))", [
    `medvault/token-layers/${service}/${table}`,
  ]);
}

/** Waits for every transaction that holds the layers. Throws 55P03 after a second. */
export async function changeLayers(tx: Tx, { service, table }: TokenTable): Promise<void> {
  await tx.query("set local lock_timeout = '1s'");
  await tx.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
    `medvault/token-layers/${service}/${table}`,
  ]);
}

/** Tokens below a layer, by owner and token, after one of them. */
export async function tokensBelow(
  db: Db,
  { table, owner }: TokenTable,
  layer: number,
  after: StoredToken | null,
  limit: number,
): Promise<StoredToken[]> {
  const text = `select %I as owner, token, layer from %I
                 where layer < $1 and ($2::uuid is null or (%I, token) > ($2, $3::bytea))
                 order by %I, token limit $4`;
  const { rows } = await db.query<StoredToken>(ddl(text, owner, table, owner, owner), [
    layer,
    after?.owner,
    after?.token,
    limit,
  ]);
  return rows;
}

/** Replaces tokens; those that are gone meanwhile stay gone. Returns how many were replaced. */
export async function replaceTokens(
  db: Db,
  { table, owner }: TokenTable,
  layer: number,
  tokens: readonly { from: StoredToken; to: Buffer }[],
): Promise<number> {
  const text = `update %I t set token = x.next, layer = $4
                  from unnest($1::uuid[], $2::bytea[], $3::bytea[]) as x (owner, former, next)
                 where t.%I = x.owner and t.token = x.former`;
  const { rowCount } = await db.query(ddl(text, table, owner), [
    tokens.map(({ from }) => from.owner),
    tokens.map(({ from }) => from.token),
    tokens.map(({ to }) => to),
    layer,
  ]);
  return rowCount ?? 0;
}
