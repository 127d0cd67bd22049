import { ddl, type Tx } from "@medvault/postgres";
import type { Keyring } from "../keyring/keyring.ts";
import { fieldOf, type TableDeclaration } from "../sealed-tables/declaration.ts";
import type { SealedTable } from "../sealed-tables/sealed-table.ts";
import { tokenColumns } from "../sealed-tables/table-indexes.ts";
import { heldTokens } from "./reseal.ts";

/**
 * Seals a value under its subject's wrapped key, as the revision it names, and puts it in the place
 * of the row of its id, or where that was; tokens are those of the present index keys. Returns the
 * hash of the box, for the event. Throws as sealing does, and IndexPolicyDiffers.
 */
export async function putBack<T extends object>(
  tx: Tx,
  keyring: Keyring,
  table: SealedTable<T>,
  wrappedSubjectKey: Buffer,
  value: T & { readonly rev: number },
): Promise<string> {
  const { declaration } = table;
  const { open, sealed } = table.seal(keyring, wrappedSubjectKey, value);
  const tokensOf = await heldTokens(tx, keyring, table);
  const from = value as Readonly<Record<string, unknown>>;
  const columns = readableColumns(declaration).map((name) => from[fieldOf(name).property]);
  await tx.query(upsertText(declaration), [...columns, ...tokensOf(value), value.rev, open, sealed]);
  return table.boxHash(sealed);
}

/** The id, the subject and the typed columns, each once. */
const readableColumns = ({ id = "id", subject, typed }: TableDeclaration): string[] => [
  ...new Set([id, subject, ...typed]),
];

// Identifiers are a declaration's own, which code makes; they are quoted all the same.
function upsertText(declaration: TableDeclaration): string {
  const { table, id = "id", resettable = [] } = declaration;
  const columns = [
    ...readableColumns(declaration),
    ...tokenColumns(declaration),
    ...["rev", "open", "sealed"],
  ];
  const others = columns.filter((column) => column !== id);
  return [
    ddl("insert into %I (%I) values (", table, columns),
    columns.map((_, at) => `$${at + 1}`).join(", "),
    ddl(") on conflict (%I) do update set ", id),
    others.map((column) => ddl("%I = excluded.%I", column, column)).join(", "),
    resettable.length > 0 ? ", sealed_as = null" : "",
  ].join("");
}
