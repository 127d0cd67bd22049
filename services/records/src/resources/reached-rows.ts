import type { Chart } from "../access/access.store.ts";
import { FEW_PATIENTS, patientsInReach, type Reach, reached } from "../access/reach.ts";

/** Which rows, in which order. What is text here is SQL in which `r` is a row of `table`. */
export interface Rows {
  readonly table: string;
  readonly patientId: string;
  /** By what they are ordered, before their ids. */
  readonly by: string;
  readonly direction: "asc" | "desc";
  /** Conditions that an index answers, so that no more rows are read than these let pass. */
  readonly conditions: readonly string[];
}

/** Whose rows: both say the same, of all patients and of one row. */
export interface Whose {
  /** All patients, as a table with `patient_id`. */
  readonly panel: string;
  /** Whether the patient of a row is among them, asked of each row as it comes. */
  readonly isInPanel: string;
  /** What `panel` does not say of its patients yet (`a.patient_id`). */
  readonly andOfPatient?: string;
}

/**
 * How many rows are looked at in the order of a list before a page is put together from the rows of
 * each patient. More cost more where those patients have none among them; fewer send those with
 * many patients the longer way.
 */
const ROWS_LOOKED_AT = 1_500;

/** Whose rows: everyone's, those of a chart, or those of all whom the user reaches. */
export type PageOf = "everyone" | "chart" | "reach";

/** The first parameter that is a statement's own, after those of `parametersOf`. */
export const OWN_PARAMETER: Readonly<Record<PageOf, number>> = { everyone: 4, reach: 4, chart: 5 };

/**
 * Limit, scope, user, the ids of a chart. Throws RangeError for more rows than
 * a page may have.
 */
export function parametersOf(
  of: PageOf,
  limit: number,
  { scope, userId }: Reach,
  chart: Chart | null,
): unknown[] {
  if (limit > MAX_PAGE_ROWS) throw new RangeError(`a page has at most ${MAX_PAGE_ROWS} rows`);
  return [limit, scope, userId, ...(of === "chart" ? [chart] : [])];
}

/** Whose rows a chart, or none, and a scope stand for. */
export const pageOf = (chart: Chart | null, { scope }: Reach): PageOf =>
  chart !== null ? "chart" : scope === "any" ? "everyone" : "reach";

/**
 * The rows `r` of a page with their keys `k`, to go on after `from`; each is looked up by itself.
 * In a small table Postgres would rather read all of it, and go on so while it grows.
 */
export const rowsOf = (page: string, { table, patientId }: Pick<Rows, "table" | "patientId">): string =>
  `${page} cross join lateral (select * from ${table} x where x.id = ${page}.id offset 0) r
       cross join lateral (select x.wrapped from subject_keys x where x.subject_id = ${patientId} offset 0) k`;

const hasKey = (patientId: string): string =>
  `(select true from subject_keys k where k.subject_id = ${patientId} limit 1)`;

const TYPES = ["", "bigint", "text", "uuid"];

/**
 * The statement, in which the planner sees no value of a parameter, but of lists of ids. Then a
 * plan for these values costs it no less than the one for all, which it therefore keeps: planning
 * takes longer than running. Each form of a page reads as little by the one as by the other.
 */
export const withOnePlan = (text: string): string =>
  text.replaceAll(
    /\$(\d+)(::\w+)?(?!\w|\d|::|\[)/g,
    (_, at: string, type = `::${TYPES[Number(at)]}`) => `(select $${at}${type})`,
  );

/** An order of all rows that an index has; ids part what is equal. */
const orderOf = ({ by, direction }: Pick<Rows, "by" | "direction">): string =>
  by === "r.id" ? `r.id ${direction}` : `${by} ${direction}, r.id ${direction}`;

export const where = (conditions: readonly string[]): string =>
  conditions.length === 0 ? "" : `where ${conditions.join("\n                 and ")}`;

/** The most rows that a page may have. */
const MAX_PAGE_ROWS = 1_000;

/** Common table expressions, the last of them `page`: `id` and `at` of the first `$1` rows. */
export function pageCtes(of: PageOf, rows: Rows, lookedAt = ROWS_LOOKED_AT): string {
  const { table, patientId, by, direction, conditions } = rows;
  if (of === "reach") {
    const whose = { panel: patientsInReach("$3", "$2"), isInPanel: reached("r.patient_id", 2) };
    return pageOfPanel(rows, whose, lookedAt);
  }
  if (of === "everyone")
    return `page as (
       select id, at from (
              select r.id, ${by} as at from ${table} r
               ${where(["$2 = 'any'", ...conditions, hasKey(patientId)])}
               order by ${orderOf(rows)} limit ${MAX_PAGE_ROWS}) r limit $1)`;
  return `page as (
       select p.id, p.at from unnest($4::uuid[]) as c (id)
        cross join lateral (
              select r.id, ${by} as at from ${table} r
               ${where([`${patientId} = c.id`, ...conditions])}
               order by ${orderOf(rows)} limit $1) p
        where ${reached("c.id", 2)}
        order by p.at ${direction}, p.id ${direction} limit $1)`;
}

/**
 * Common table expressions, the last of them `page`: `id` and `at` of the first `$1` rows of a
 * panel of patients. Of many patients the rows are read in their order until there are enough;
 * where that takes too long, the first row of each patient says whose rows can be on the page. So a
 * page costs the same at any depth, in any table, for ten patients and for ten thousand; at most
 * one look at an index for each patient, where their rows are rare.
 *
 * Every limit inside is a number: of a parameter the planner would think that it is a tenth of the
 * table, in the plan that is kept for all values.
 */
export function pageOfPanel(rows: Rows, whose: Whose, most = ROWS_LOOKED_AT): string {
  const { table, patientId, by, direction, conditions } = rows;
  const order = orderOf(rows);
  const isById = by === "r.id";
  const ordered = (alias: string) =>
    `order by ${isById ? "" : `${alias}at ${direction}, `}${alias}id ${direction}`;
  const ofPatient = (of: string, limit: string) => `
         cross join lateral (
              select r.id, ${by} as at from ${table} r
               ${where([`${patientId} = ${of}.patient_id`, ...conditions])}
               order by ${order} limit ${limit})`;
  return `panel as materialized (
       select a.patient_id from ${whose.panel} a limit ${FEW_PATIENTS + 1}),
     size as materialized (select count(*) > ${FEW_PATIENTS} as is_many from panel),
     near as materialized (
       select r.id, r.at from (
              select r.id, ${patientId} as patient_id, ${by} as at from ${table} r
               ${where(["(select is_many from size)", ...conditions])}
               order by ${order} limit ${most}) r
        where ${whose.isInPanel}
        ${ordered("r.")} limit $1),
     found as materialized (
       select case when not (select is_many from size) then false
                   when count(*) = $1 then true
                   else (select count(*) from (
                          select from ${table} r ${where(conditions)}
                           order by ${order} limit ${most}) l) < ${most} end as enough
         from near),
     whose as (
       select a.patient_id from (
              select patient_id from panel where not (select is_many from size)
              union all
              select a.patient_id from ${whose.panel} a
               where (select is_many from size) and not (select enough from found)) a${ofPatient("a", "1")} l
        ${whose.andOfPatient === undefined ? "" : `where ${whose.andOfPatient}`}
        ${ordered("l.")} limit $1),
     page as (
       select id, at from near where (select enough from found)
       union all
       select p.id, p.at from whose${ofPatient("whose", "$1")} p
        ${ordered("")} limit $1)`;
}
