import type { Suite } from "@medvault/crypto";
import { DeclarationFault } from "../errors.ts";

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
  /**
   * Fields with a keyed token in a column `<field>_token bytea`: of values that are unique by
   * nature, because equal values have equal tokens, which a reader of the column can count.
   */
  readonly exact?: readonly string[];
  /** Of these, those whose token an operator switched off: the column stays, and is null. */
  readonly exactOff?: readonly string[];
  /**
   * Fields whose token, and check, leaves out spaces, hyphens and dots: numbers that people spell
   * as they like. A row of before such a declaration has the token of its own spelling.
   */
  readonly compact?: readonly string[];
  /**
   * Fields that a search asks for, and whether the index in memory holds their text: a policy may
   * have it otherwise. A search by a field that it does not hold is refused.
   */
  readonly search?: Readonly<Record<string, boolean>>;
  /** Fields that no policy may leave open: keys, secrets. */
  readonly alwaysSealed?: readonly string[];
  /** Fields whose token no policy may take away: nothing else finds their rows. */
  readonly alwaysIndexed?: readonly string[];
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
export function searchedFields(declaration: TableDeclaration): readonly string[] {
  const known = searched.get(declaration);
  if (known) return known;
  const { search = {} } = declaration;
  const fields = Object.keys(search).flatMap((name) => (search[name] ? fieldOf(name).property : []));
  searched.set(declaration, fields);
  return fields;
}
const searched = new WeakMap<TableDeclaration, readonly string[]>();

/** Throws DeclarationFault, naming every fault at once. */
export function assertDeclaration(declaration: TableDeclaration): void {
  const { typed, sealed, open = [], masks = {}, exact = [], compact = [], search = {} } = declaration;
  const names = [...typed, ...sealed, ...open];
  const faults: string[] = [];
  for (const [at, name] of names.entries()) {
    if (!/^[a-z][a-z0-9_]*$/i.test(name)) faults.push(`${name} is not a column name`);
    if (names.indexOf(name) !== at) faults.push(`${name} is declared twice`);
    if (RESERVED.has(name)) faults.push(`${name} is every sealed table's own column`);
  }
  for (const name of new Set([masks, search].flatMap(Object.keys).concat(exact, compact))) {
    if (!names.includes(name)) faults.push(`${name} is masked, indexed or searched but not a field`);
  }
  for (const name of declaration.resettable ?? []) {
    if (!typed.includes(name)) faults.push(`${name} is resettable but not a typed column`);
  }
  if (sealed.length === 0) faults.push("nothing is sealed");
  if (faults.length > 0) throw new DeclarationFault(`${declaration.table}: ${faults.join("; ")}`);
}

const RESERVED = new Set(["rev", "open", "sealed", "subject_key", "sealed_as"]);
