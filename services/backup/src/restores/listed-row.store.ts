import { hash } from "node:crypto";
import { type Db, ddl, type Tx } from "@medvault/postgres";
import { schemasOf } from "./restore.ts";
import { exists, nameOf, tablesOf } from "./schema.store.ts";

/** Before the hash of a list that is a part of another. */
const PART = "+";
const LIST_ROWS = 10_000;

/** Of former versions: the column that says of which row. */
const OWNERS: readonly string[] = ["row_id", "record_id"];

interface Listed {
  rowsListed: number;
  rowsSha256: string;
}

/**
 * Lists for records what restore `n` leaves its sealed rows as, where that is not what they are:
 * the audit log knows them by the list's hash. In the transaction that puts them back, after all
 * that is taken again.
 */
export async function listRows(tx: Tx, n: number): Promise<Listed> {
  const { scratch } = schemasOf("records", n);
  let rowsListed = 0;
  const parts: string[] = [];
  for (const table of await tablesOf(tx, scratch)) {
    const columns = await sealedColumns(tx, scratch, table);
    if (columns === null) continue;
    const { rows } = await tx.query<{ sha256: string; count: number }>(
      await statementOf(tx, scratch, table, columns),
      [LIST_ROWS, table],
    );
    for (const { sha256, count } of rows) {
      parts.push(PART + sha256);
      rowsListed += count;
    }
  }
  const lines = parts.sort().join("\n");
  const rowsSha256 = hash("sha256", lines, "hex");
  if (rowsListed > 0)
    await tx.query(
      `insert into records_sys.row_manifests (sha256, lines, awaited) values ($1, $2, true)
       on conflict (sha256) do update set awaited = true`,
      [rowsSha256, lines],
    );
  return { rowsListed, rowsSha256 };
}

interface Columns {
  readonly subject: string;
  readonly owner: string | null;
}

/** Null: no table of sealed rows. */
async function sealedColumns(db: Db, schema: string, table: string): Promise<Columns | null> {
  const { rows } = await db.query<{ names: string[] }>(
    `select array_agg(a.attname::text) as names
       from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace s on s.oid = c.relnamespace
      where s.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped`,
    [schema, table],
  );
  const names = rows[0]?.names ?? [];
  if (!["id", "rev", "sealed"].every((name) => names.includes(name))) return null;
  const subject = ["patient_id", "subject_id"].find((name) => names.includes(name)) ?? "id";
  return { subject, owner: OWNERS.find((name) => names.includes(name)) ?? null };
}

async function statementOf(
  db: Db,
  scratch: string,
  table: string,
  { subject, owner }: Columns,
): Promise<string> {
  const has = await exists(db, nameOf("records", table));
  const live = has ? ddl("records.%I", table) : ddl("(select * from %I.%I where false)", scratch, table);
  const of = owner === null ? "'-'" : ddl("coalesce(b.%I, l.%I)::text", owner, owner);
  return ddl(
    `with differing as (
       select concat_ws(' ', $2::text, id, coalesce(b.rev, l.rev), coalesce(encode(sha256(b.sealed), 'hex'), '-'),
                        coalesce(b.%I, l.%I), ${of}) as line
         from ${live} l full join %I.%I b using (id)
        where l.rev is distinct from b.rev or l.sealed is distinct from b.sealed
     ), numbered as (select line, (row_number() over (order by line collate "C") - 1) / $1::int as part from differing
     ), lists as (
       select string_agg(line, E'\\n' order by line collate "C") as lines, count(*)::int as count from numbered group by part
     ), kept as (
       insert into records_sys.row_manifests (sha256, lines)
       select encode(sha256(convert_to(lines, 'UTF8')), 'hex'), lines from lists on conflict do nothing
     ) select encode(sha256(convert_to(lines, 'UTF8')), 'hex') as sha256, count from lists`,
    ...[subject, subject, scratch, table],
  );
}
