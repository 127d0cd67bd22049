import type { Suite } from "@medvault/crypto";
import { DeclarationFault } from "../errors.ts";

export type IndexKind = "exact" | "substring";
/** `edges`: the first character and the last four. */
export type MaskKind = "edges";

/** A table of sealed rows. Names are snake_case columns or fields; camelCase in domain objects. */
export interface TableDeclaration {
  readonly service: string;
  readonly table: string;
  /** The id column; default "id". */
  readonly id?: string;
  /** The column with the id of the subject (patient) whose key seals the row; may be the id. */
  readonly subject: string;
  /** Columns that queries need: readable, and bound into the box. */
  readonly typed: readonly string[];
  /**
   * Typed columns that a restore sets without the key: who has access, what is hidden. What the
   * box was sealed with is then in the table's `sealed_as jsonb`, until the row is sealed again.
   */
  readonly resettable?: readonly string[];
  readonly sealed: readonly string[];
  /** Fields left readable in `open jsonb`, bound into the box. */
  readonly open?: readonly string[];
  readonly masks?: Readonly<Record<string, MaskKind>>;
  readonly indexes?: Readonly<Record<string, IndexKind>>;
  /** Fields whose text an index holds beside that of its own field. */
  readonly indexedWith?: Readonly<Record<string, readonly string[]>>;
  /**
   * Fields whose exact index, and check, leaves out spaces, hyphens and dots: numbers that people
   * spell as they like. A row of before such a declaration has the token of its own spelling.
   */
  readonly compact?: readonly string[];
  /** Indexed fields whose index an operator switched off: the column stays and gets no tokens. */
  readonly indexesOff?: readonly string[];
  /**
   * Fields that a search asks for though no column is their index's own: an operator may have them
   * indexed, and any indexed field in another way. The tokens of such indexes lie in the table's
   * column `added_tokens text[]`.
   */
  readonly searchable?: readonly string[];
  /**
   * Fields that a search asks for, and whether the index in memory holds their text: a policy may
   * have it otherwise. A search by a field that it does not hold is refused.
   */
  readonly search?: Readonly<Record<string, boolean>>;
  /** Indexes in `added_tokens` that an operator asked for: of other fields, or of another kind. */
  readonly addedIndexes?: Readonly<Record<string, IndexKind>>;
  /** Columns of tokens not called `<field>_token` (exact) or `<field>_tokens` (substring). */
  readonly indexColumns?: Readonly<Record<string, string>>;
  /** Fields that no policy may leave open: keys, secrets. */
  readonly alwaysSealed?: readonly string[];
  /** Fields whose index no policy may take away or change: nothing else finds their rows. */
  readonly alwaysIndexed?: readonly string[];
  /** Fields with so few values that the frequencies of an index's tokens would reveal them. */
  readonly fewValues?: readonly string[];
  /** Fields that hold objects or keys: nothing that could be indexed. */
  readonly notText?: readonly string[];
  /** Default aes-256-gcm. Rows under the other suite still open. */
  readonly suite?: Suite;
}

/** A declared name and its two spellings. */
export interface Field {
  readonly column: string;
  readonly property: string;
}

/** `start_date` is `startDate` in the domain object. */
export function fieldOf(column: string): Field {
  return { column, property: column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) };
}

/**
 * The fields that the index in memory holds, under the declaration and the operator's policy, as
 * the domain object calls them.
 */
export function searchedFields({ search = {} }: TableDeclaration): string[] {
  return Object.keys(search).flatMap((name) => (search[name] ? fieldOf(name).property : []));
}

/** Throws DeclarationFault, naming every fault at once. */
export function assertDeclaration(declaration: TableDeclaration): void {
  const { typed, sealed, open = [], masks = {}, indexes = {}, addedIndexes = {} } = declaration;
  const names = [...typed, ...sealed, ...open];
  const faults: string[] = [];
  for (const [at, name] of names.entries()) {
    if (!/^[a-z][a-z0-9_]*$/i.test(name)) faults.push(`${name} is not a column name`);
    if (names.indexOf(name) !== at) faults.push(`${name} is declared twice`);
    if (RESERVED.has(name)) faults.push(`${name} is every sealed table's own column`);
  }
  const { fewValues: few = [], searchable = [], notText = [], compact = [] } = declaration;
  const indexed = [...Object.keys(indexes), ...Object.keys(addedIndexes)];
  const beside = Object.values(declaration.indexedWith ?? {}).flat();
  const described = [
    ...Object.keys(masks),
    ...indexed,
    ...few,
    ...searchable,
    ...notText,
    ...compact,
    ...Object.keys(declaration.search ?? {}),
    ...beside,
  ];
  for (const name of new Set(described)) {
    if (!names.includes(name)) faults.push(`${name} is masked, indexed or described but not a field`);
  }
  for (const name of Object.keys(declaration.search ?? {})) {
    if (notText.includes(name)) faults.push(`${name} holds nothing that could be searched`);
  }
  for (const name of indexed) {
    if (few.includes(name)) faults.push(`${name} has too few values to be indexed`);
    if (notText.includes(name)) faults.push(`${name} holds nothing that could be indexed`);
  }
  for (const name of declaration.resettable ?? []) {
    if (!typed.includes(name)) faults.push(`${name} is resettable but not a typed column`);
  }
  if (sealed.length === 0) faults.push("nothing is sealed");
  if (faults.length > 0) throw new DeclarationFault(`${declaration.table}: ${faults.join("; ")}`);
}

const RESERVED = new Set(["rev", "open", "sealed", "subject_key", "added_tokens", "sealed_as"]);
