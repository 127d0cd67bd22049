import { ddl } from "@medvault/postgres";
import type { TableDeclaration } from "../sealed-tables/declaration.ts";

// Identifiers are a declaration's own, which code makes; they are quoted all the same.

/**
 * Any declared table's rows by id, each with its subject's wrapped key: $1 after which id, $2 how
 * many, then those of `where`.
 */
export function selectRowsText(declaration: TableDeclaration, where = "true"): string {
  const { table, id = "id", subject, typed } = declaration;
  const columns = [...new Set([id, subject, ...typed])];
  return [
    "select t.rev, t.open, t.sealed, k.wrapped as subject_key,",
    columns.map((column) => ddl("t.%I", column)).join(", "),
    ddl("from %I t join subject_keys k on k.subject_id = t.%I", table, subject),
    ddl("where ($1::uuid is null or t.%I > $1) and", id),
    where,
    ddl("order by t.%I limit $2", id),
  ].join("\n");
}
