import type { ActNoun, ClosableType } from "@medvault/contracts";
import {
  type Keyring,
  type MaskKind,
  type SealedRow,
  type SealedTable,
  sealedTable,
  tokenColumns,
} from "@medvault/keys";
import { onBasis } from "../access/basis.ts";
import type { Part } from "../access/reach.ts";
import { inChart } from "./chart.ts";
import { type DamagedRow, type Found, isDamaged } from "./damaged-row.ts";
import type { PatientOwned, Row } from "./patient-owned.ts";
import { type ReadingStatement, readingStatementsOf } from "./reading-statement.ts";
import {
  type ColumnType,
  type Layout,
  quote,
  type Statements,
  statementsOf,
  type TypedColumn,
} from "./statement.ts";

/**
 * Where a field stands. In a column of its own, readable, because queries filter or sort by it; the
 * column is bound into the box. Or in the box: `sealed`.
 */
type Place<V> = { readonly store: TypeOf<NonNullable<V>> } | (NonNullable<V> extends Date ? never : InBox);

/** The column types that hold such a value. */
type TypeOf<V> = V extends Date
  ? "timestamptz"
  : V extends number
    ? "int"
    : V extends string
      ? "uuid" | "text" | "date"
      : never;

/** Each part in the words of libs/keys' declaration. */
interface InBox {
  readonly store: "sealed";
  /** How every view shows it until it is unmasked. */
  readonly mask?: MaskKind;
  readonly exact?: true;
  readonly compact?: true;
  /** A search asks for it; whether it is in the index in memory, where no policy says otherwise. */
  readonly search?: boolean;
}

/**
 * Content is what a person wrote about the patient: audit events name it, and FHIR carries it.
 * `fhir` says in which element of the resource, alternatives parted by ` | `; or why in none.
 */
type Meaning =
  | { readonly content: true; readonly fhir: string | { readonly none: string } }
  | { readonly content: false };

type Column<V> = Place<V> & Meaning;

/** A column, whatever it holds. */
type AnyColumn = ({ readonly store: ColumnType } | InBox) & Meaning;

export interface TableParts<T extends Row> {
  /** How events call one row: `<noun>/<id>`. */
  readonly noun: ActNoun;
  readonly table: string;
  /** The field with the id of the patient whose key seals a row; default `patientId`. */
  readonly subject?: keyof T & string;
  /** Every field of `T` but id and rev: one that is forgotten, or is none, is a type error. */
  readonly columns: { readonly [K in Exclude<keyof T & string, keyof Row>]: Column<T[K]> };
  /**
   * Of which type its rows are where a patient closes a part of the chart (`ofKind`: each row says
   * it), and by which id; default `id`.
   */
  readonly closable?: {
    readonly type: ClosableType | { ofKind: keyof T & string };
    readonly id?: keyof T & string;
  };
  /** A field of which no two rows have the same value. */
  readonly unique?: keyof T & string;
  /** A field that, once it is set, hides its row: it is kept, and shown no more. */
  readonly hiddenBy?: keyof T & string;
  /** Who has access by it: no restore sets it back (README, "What a restore takes again"). */
  readonly accessBy?: keyof T & string;
}

/**
 * The columns that every patient-owned resource has: whose it is, when it was written, from where
 * it came.
 */
export const OWNED = {
  patientId: { store: "uuid", content: false },
  createdAt: { store: "timestamptz", content: false },
  updatedAt: { store: "timestamptz", content: false },
  source: { store: "sealed", content: false },
} as const satisfies { [K in Exclude<keyof PatientOwned, keyof Row>]: Column<PatientOwned[K]> };

/** Who wrote the present version of a row. */
export const AUTHORED = { updatedBy: { store: "sealed", content: false } } as const;

/** A declared table of patients' rows, and all that follows from its declaration. */
export interface PatientTable<T extends Row> {
  readonly noun: ActNoun;
  readonly table: SealedTable<T>;
  readonly layout: Layout;
  readonly statements: Statements;
  readonly reading: ReadingStatement;
  /** Whether there are blind indexes, whose tokens are written with each row. */
  readonly isIndexed: boolean;
  readonly columns: readonly (readonly [field: string, column: AnyColumn])[];
  /** A row as it was written; or, where it is damaged, what its columns say. */
  open(keyring: Keyring, row: SealedRow): Found<T>;
  /** Whose row it is. */
  patientOf(value: Found<T>): string;
  isHidden(value: Found<T>): boolean;
}

/**
 * Declares a table whose rows are sealed under their patients' keys. Throws DeclarationFault with
 * every fault named.
 */
export function patientTable<T extends Row>(parts: TableParts<T>): PatientTable<T> {
  const subject = parts.subject ?? ("patientId" as keyof T & string);
  const columns = Object.entries(parts.columns) as [string, AnyColumn][];
  const named = (has: (column: InBox) => unknown) =>
    columns.filter(([, one]) => one.store === "sealed" && has(one)).map(([field]) => columnOf(field));
  const valued = <V>(of: (column: InBox) => V | undefined): Record<string, V> =>
    Object.fromEntries(
      columns.flatMap(([field, one]) => {
        const value = one.store === "sealed" ? of(one) : undefined;
        return value === undefined ? [] : [[columnOf(field), value]];
      }),
    );
  const typed = columns.flatMap(([property, { store }]): TypedColumn[] =>
    store === "sealed" ? [] : [{ property, column: columnOf(property), type: store }],
  );
  const resettable = [parts.hiddenBy, parts.accessBy].filter((field) => field !== undefined).map(columnOf);
  const table = sealedTable<T>({
    service: "records",
    table: parts.table,
    subject: columnOf(subject),
    typed: typed.map(({ column }) => column),
    resettable,
    sealed: named(() => true),
    masks: valued((column) => column.mask),
    exact: named((column) => column.exact),
    compact: named((column) => column.compact),
    search: valued((column) => column.search),
  });
  const layout: Layout = {
    table: parts.table,
    subject: columnOf(subject),
    typed,
    resettable,
    tokens: tokenColumns(table.declaration),
    part: parts.closable ? partOf(parts.closable) : null,
    ...(parts.unique !== undefined && { unique: columnOf(parts.unique) }),
    ...(parts.hiddenBy !== undefined && { hiddenBy: columnOf(parts.hiddenBy) }),
  };
  return {
    noun: parts.noun,
    table,
    layout,
    statements: statementsOf(layout),
    reading: readingStatementsOf(layout),
    isIndexed: layout.tokens.length > 0,
    columns,
    open: (keyring, row) =>
      onBasis(inChart(table.tryOpen(keyring, row) ?? damagedRow(layout, row), row.chart), row.basis),
    patientOf: (value) => (isDamaged(value) ? value.patientId : (value[subject] as string)),
    isHidden: (value) => parts.hiddenBy !== undefined && (value as T)[parts.hiddenBy] !== null,
  };
}

/** As SQL of a row `r`; types are of a fixed list. */
function partOf({ type, id = "id" }: NonNullable<TableParts<never>["closable"]>): Part {
  const of = typeof type === "string" ? `'${type}'` : `r.${quote(columnOf(type.ofKind))}`;
  return { type: of, id: `r.${quote(columnOf(id))}` };
}

/** With its typed columns, so that it keeps its place in a list. */
function damagedRow({ typed, subject }: Layout, row: SealedRow): DamagedRow {
  const columns = Object.fromEntries(typed.map(({ property, column }) => [property, row[column] ?? null]));
  return { ...columns, id: row.id as string, rev: row.rev, patientId: row[subject] as string, damaged: true };
}

/** `startDate` is `start_date` in the table. */
const columnOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
