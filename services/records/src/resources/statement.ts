import { keptCtes } from "@medvault/keys";
import {
  basisOf,
  GIVEN,
  type Given,
  givenRow,
  mergedChart,
  type Part,
  reached,
  survivorOf,
} from "../access/reach.ts";

export type ColumnType = "uuid" | "text" | "date" | "int" | "timestamptz";

/** A typed column, and the property of the domain object that it holds. */
export interface TypedColumn {
  readonly column: string;
  readonly property: string;
  readonly type: ColumnType;
}

/** What a table's statements are made of: its columns beside `id`, `rev`, `open` and `sealed`. */
export interface Layout {
  readonly table: string;
  /** The column with the id of the patient whose key seals a row; may be `id` itself. */
  readonly subject: string;
  readonly typed: readonly TypedColumn[];
  /** Columns that a restore may have set since the box was sealed (`sealed_as`, libs/keys). */
  readonly resettable: readonly string[];
  /** Columns of keyed tokens (`bytea`). */
  readonly tokens: readonly string[];
  /** A column that, once it is set, hides its row: it is kept, and in no list. */
  readonly hiddenBy?: string;
  /** What part of a chart a row `r` is, where a patient can close it. */
  readonly part: Part | null;
  /** A column of which no two rows have the same value: a second one is not inserted. */
  readonly unique?: string;
}

/** The ordinary statements of a table, constants from the start of the process on. */
export interface Statements {
  /**
   * The columns of a row `r` and of its subject's key `k`, and the chart in which it is shown, as
   * the table opens them, to go on with `from`.
   */
  readonly select: string;
  /** As select, from the table and the keys, to go on with `where`. */
  readonly rows: string;
  /** $1 id, $2 scope, $3 user. A patient is found by any id of the chart: the surviving one. */
  readonly find: string;
  /** Whose row it is, for any asker: $1 id. For the event of a refusal, never for an answer. */
  readonly whose: string;
  /** As find; the row is locked until the transaction ends. */
  readonly lock: string;
  /** Id and revision of all of a chart: $1 ids of the chart, $2 scope, $3 user. */
  readonly idsOfPatient: string;
  /** Arrays of: id, the typed columns, the tokens, rev, open, sealed. */
  readonly insert: string;
  /**
   * As common table expressions for `emitWith`, the last of them `made`: the insert of one row,
   * where the actor reaches its patient and their key is still this one. Then, after the row's
   * values in the order of insert: the patient, their wrapped key, scope, user. createOnce keeps
   * the answer besides, unless that was done before; its values come last.
   */
  readonly create: string;
  readonly createOnce: string;
  /**
   * $1 id, then the changeable columns, the tokens, rev, open, sealed, scope, user, the former rev.
   */
  readonly update: string;
  /** As update, of many: the arrays of insert, then scope and user. */
  readonly updateAll: string;
  /** $1 id, $2 rev, $3 scope, $4 user. */
  readonly remove: string;
}

export function statementsOf(layout: Layout): Statements {
  const table = quote(layout.table);
  const patientId = `r.${quote(layout.subject)}`;
  const select = selectOf(layout);
  const from = `from ${table} r join subject_keys k on k.subject_id = ${patientId}`;
  const rows = `${select}
       ${from}`;
  const find = `${selectOf(layout, 2, GIVEN)}
       ${from} cross join ${givenRow("$3")}
      where r.id = ${isPatient(layout) ? survivorOf("$1") : "$1"} and ${reached(patientId, 2, layout.part, GIVEN)}`;
  return {
    select,
    rows,
    find,
    whose: `select ${patientId} as patient_id from ${table} r where r.id = $1`,
    lock: `${find} for update of r`,
    idsOfPatient: `select r.id, r.rev from unnest($1::uuid[]) as c (id) join ${table} r on ${patientId} = c.id
      where ${[reached("c.id", 2, layout.part), ...shown(layout)].join(" and ")}`,
    insert: insertOf(layout),
    create: createOf(layout, false),
    createOnce: createOf(layout, true),
    update: updateOf(layout),
    updateAll: updateAllOf(layout),
    remove: `delete from ${table} r where r.id = $1 and r.rev = $2 and ${reached(patientId, 3, layout.part)}`,
  };
}

/**
 * A row's columns but for its subject's key: `alias."column"`, each named `prefix_column` where a
 * prefix is given.
 */
export function columnsOf({ typed, resettable }: Layout, alias: string, prefix = ""): string {
  const sealedAs = resettable.length > 0 ? ["sealed_as"] : [];
  return ["id", ...typed.map(({ column }) => column), "rev", "open", "sealed", ...sealedAs]
    .map((column) => `${alias}.${quote(column)}${prefix && ` as ${quote(prefix + column)}`}`)
    .join(", ");
}

/** The condition that a row is not hidden, where rows can be. */
export const shown = ({ hiddenBy }: Layout): string[] =>
  hiddenBy === undefined ? [] : [`r.${quote(hiddenBy)} is null`];

/** Whether a row is a patient itself. */
const isPatient = ({ subject }: Layout): boolean => subject === "id";

/** `at`: the parameters of a Reach, for the reason for which each row is reached (`basis`). */
export function selectOf(layout: Layout, at?: number, given?: Given): string {
  const patientId = `r.${quote(layout.subject)}`;
  const chart = isPatient(layout)
    ? mergedChart(patientId)
    : `(select m.into_id from patient_merges m where m.from_id = ${patientId} and m.into_id <> m.from_id)`;
  const basis = at === undefined ? "" : `, ${basisOf(patientId, at, given)}`;
  return `select ${columnsOf(layout, "r")}, k.wrapped as subject_key, ${chart} as chart${basis}`;
}

/** A table's columns as arrays of them travel. */
const travelling = ({ typed, tokens }: Layout): { column: string; type: string }[] => [
  { column: "id", type: "uuid" },
  ...typed,
  ...tokens.map((column) => ({ column, type: "bytea" })),
  { column: "rev", type: "int" },
  { column: "open", type: "jsonb" },
  { column: "sealed", type: "bytea" },
];

/** `select` of them from parameters, from the first on. */
function unnested(columns: ReturnType<typeof travelling>): string {
  const names = columns.map(({ column }) => quote(column)).join(", ");
  return `select ${names}
       from unnest(${columns.map(({ type }, at) => `$${at + 1}::${type}[]`).join(", ")}) as x (${names})`;
}

function insertOf(layout: Layout): string {
  const { table, unique } = layout;
  const columns = travelling(layout);
  const names = columns.map(({ column }) => quote(column)).join(", ");
  return `insert into ${quote(table)} (${names})
     ${unnested(columns)}${unique === undefined ? "" : ` on conflict (${quote(unique)}) do nothing`}`;
}

function createOf(layout: Layout, isKept: boolean): string {
  const columns = travelling(layout);
  const names = columns.map(({ column }) => quote(column)).join(", ");
  const at = columns.length + 1;
  const ofType = layout.part && { ...layout.part, id: "null" };
  return `reached as (
       select p.id from patients p join subject_keys k on k.subject_id = p.id
        where p.id = $${at} and k.wrapped = $${at + 1}::bytea and ${reached("p.id", at + 2, ofType)}),
     ${isKept ? `${keptCtes("reached", at + 4)},` : ""}
     made as (
       insert into ${quote(layout.table)} (${names})
       select ${columns.map(({ type }, of) => `$${of + 1}::${type}`).join(", ")}
        where exists (select from ${isKept ? "kept" : "reached"})
       returning id)`;
}

function updateAllOf(layout: Layout): string {
  const { table, subject, resettable } = layout;
  const columns = travelling(layout);
  const set = columns.filter(({ column }) => column !== "id" && column !== subject);
  return `update ${quote(table)} r
        set ${set.map(({ column }) => `${quote(column)} = x.${quote(column)}`).join(", ")}${
          resettable.length > 0 ? ", sealed_as = null" : ""
        }
       from (${unnested(columns)}) x
      where r.id = x.id and r.rev = x.rev - 1 and ${reached(`r.${quote(subject)}`, columns.length + 1, layout.part)}`;
}

/**
 * All but whose row it is: who is bound to a box stays. The former revision is the one that was
 * locked.
 */
function updateOf(layout: Layout): string {
  const { table, subject, tokens, resettable } = layout;
  const set = [...changeable(layout).map(({ column }) => column), ...tokens];
  const columns = [...set, "rev", "open", "sealed"];
  return `update ${quote(table)} r
        set ${columns.map((column, at) => `${quote(column)} = $${at + 2}`).join(", ")}${
          resettable.length > 0 ? ", sealed_as = null" : ""
        }
      where r.id = $1 and r.rev = $${columns.length + 4} and ${reached(`r.${quote(subject)}`, columns.length + 2, layout.part)}`;
}

/** The typed columns that an update writes. */
export const changeable = ({ typed, subject }: Layout): TypedColumn[] =>
  typed.filter(({ column }) => column !== subject);

/** Names come from declarations, whose form libs/keys has checked. */
export const quote = (name: string): string => `"${name}"`;
