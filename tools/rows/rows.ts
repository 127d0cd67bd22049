import type { SealedTable } from "@medvault/keys";
import { type Db, ddl, type ServiceName, type Tx } from "@medvault/postgres";

type Declaration = SealedTable<object>["declaration"];
/** A row, and its subject's key where there is one. */
export interface FoundRow {
  readonly rev: number;
  readonly subject_key: Buffer | null;
  readonly [column: string]: unknown;
}

/** Revisions above this were never reached: the column is what is damaged. */
const MAX_REVISION = 1_000_000_000;

export interface Deletion {
  readonly at: Date;
}

/** The row that is there now, locked, as its table opens it; null when there is none. */
export async function lockRow(tx: Tx, declaration: Declaration, id: string): Promise<FoundRow | null> {
  const { table, subject } = declaration;
  const { rows } = await tx.query<FoundRow>(
    ddl(
      `select %I, (select wrapped from subject_keys k where k.subject_id = t.%I) as subject_key
         from %I t where id = $1 for update of t`,
      columnsOf(declaration),
      subject,
      table,
    ),
    [id],
  );
  return rows[0] ?? null;
}

/** A row of a backup, read by this Postgres, with the key that its subject has now. */
export async function backedUp(
  tx: Tx,
  declaration: Declaration,
  fields: ReadonlyMap<string, Buffer | null>,
): Promise<FoundRow> {
  const { table, subject } = declaration;
  const columns = columnsOf(declaration);
  const types = await typesOf(tx, table);
  // Bytes are sent as they are, and COPY has a value's bytes as the protocol has them.
  const values = columns.map((column, at) => ddl(`$${at + 1}::${types.get(column) ?? "text"} as %I`, column));
  const { rows } = await tx.query<FoundRow>(
    ddl(
      `select t.*, (select wrapped from subject_keys k where k.subject_id = t.%I) as subject_key
         from (select ${values.join(", ")}) t`,
      subject,
    ),
    columns.map((column) => fields.get(column) ?? null),
  );
  const [row] = rows;
  if (!row) throw new Error("Postgres answered with no row");
  return row;
}

/** The highest revision that anything here says the row had. */
export async function lastRevision(
  tx: Tx,
  { service, table }: Declaration,
  id: string,
  known: readonly number[],
): Promise<number> {
  const { rows } =
    service === "records" && table !== "row_versions"
      ? await tx.query<{ last: number }>(
          "select coalesce(max(version), 0) as last from row_versions where row_id = $1",
          [id],
        )
      : { rows: [] };
  return Math.max(rows[0]?.last ?? 0, ...known.filter((rev) => rev < MAX_REVISION));
}

/** Whether the log says that someone deleted the row. */
export async function deletionIn(
  audit: Db,
  service: ServiceName,
  kind: string,
  id: string,
): Promise<Deletion | null> {
  const { rows } = await audit.query<Deletion>(
    "select occurred_at as at from log where subject = $1 and type = $2 order by occurred_at desc limit 1",
    [`${kind}/${id}`, `medvault.${service}.${kind}.deleted.v1`],
  );
  return rows[0] ?? null;
}

/** The same of an event that has not left the service yet. */
export async function deletionUnderWay(
  tx: Tx,
  service: ServiceName,
  kind: string,
  id: string,
): Promise<Deletion | null> {
  const { rows } = await tx.query<Deletion>(
    "select created_at as at from outbox where event->>'subject' = $1 and type = $2",
    [`${kind}/${id}`, `medvault.${service}.${kind}.deleted.v1`],
  );
  return rows[0] ?? null;
}

function columnsOf({ subject, typed, resettable = [] }: Declaration): string[] {
  const more = resettable.length > 0 ? ["sealed_as"] : [];
  return [...new Set(["id", subject, ...typed, "rev", "open", "sealed", ...more])];
}

/** Of Postgres' own catalog, which quotes them. */
async function typesOf(tx: Tx, table: string): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ name: string; type: string }>(
    `select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = to_regclass(quote_ident($1)) and attnum > 0 and not attisdropped`,
    [table],
  );
  return new Map(rows.map(({ name, type }) => [name, type]));
}
