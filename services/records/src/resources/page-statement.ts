import { inChart, patientsInReach, reached, reachedInTurn, reachesMany } from "../access/reach.ts";
import { type Layout, quote, selectOf, shown, type TypedColumn } from "./statement.ts";

/** A column that a list's filter compares with the value that it is given. */
interface ComparedColumn extends TypedColumn {
  readonly operator: "=" | ">=" | "<=";
}

/**
 * A page's two forms. Parameters: ids of the chart (null: any), filters, the last row's `order` and
 * id, limit, scope, user. Of one chart, or of everyone's; and of all whom the user reaches.
 */
export interface PageStatements {
  readonly ordered: string;
  readonly inReach: string;
}

/**
 * How many rows are looked at in the order of a list before a page of a few patients is put
 * together from the rows of each. More cost more where those few have none among them; fewer
 * send those with many patients the longer way.
 */
export const ROWS_LOOKED_AT = 1_500;

/**
 * A page, latest first, of all rows or of those in a user's reach. Of many patients the latest rows
 * are read in the order of the list until there are enough; where that takes too long, those of a
 * few patients are: the latest one of each says whose rows can be on the page. So a page costs the
 * same at any depth and in any table, for ten patients and for ten thousand.
 */
export function pageStatementsOf(
  layout: Layout,
  order: TypedColumn,
  filters: readonly ComparedColumn[],
): PageStatements {
  const table = quote(layout.table);
  const patientId = `r.${quote(layout.subject)}`;
  const after = filters.length + 2;
  const [limit, scope, user] = [`$${after + 2}`, `$${after + 3}`, `$${after + 4}`];
  const by = `r.${quote(order.column)}`;
  const compared = filters.map(({ column, type, operator }, at) => ({
    isRange: column === order.column,
    sql: `($${at + 2}::${type} is null or r.${quote(column)} ${operator} $${at + 2})`,
  }));
  const conditions = (all: typeof compared) => all.map(({ sql }) => sql);
  const inOrder = [
    ...conditions(compared.filter(({ isRange }) => isRange)),
    `($${after}::${order.type} is null or (${by}, r.id) < ($${after}, $${after + 1}::uuid))`,
  ];
  const others = [...shown(layout), ...conditions(compared.filter(({ isRange }) => !isRange))];
  const narrowed = [...others, ...inOrder].join("\n          and ");
  const select = selectOf(layout);
  const latest = `order by ${by} desc, r.id desc`;
  return {
    ordered: `${select}
       from ${table} r join subject_keys k on k.subject_id = ${patientId}
        where ${inChart(patientId, 1)}
          and ${narrowed}
          and ${reached(patientId, after + 3)}
        ${latest} limit ${limit}`,
    inReach: `with near as (
       select r.id, ${by} as at from (
              select r.* from ${table} r
               where ${[reachesMany(user, scope), ...inOrder].join("\n                 and ")}
               ${latest} limit ${ROWS_LOOKED_AT}) r
        where ${[...others, reachedInTurn(patientId, after + 3)].join("\n          and ")}
        ${latest} limit ${limit}),
     found as (select count(*) = ${limit} as enough from near),
     whose as (
       select a.patient_id from ${patientsInReach(user, scope)} a
        cross join lateral (
              select r.id, ${by} as at from ${table} r
               where ${patientId} = a.patient_id
          and ${narrowed}
               ${latest} limit 1) l
        where not (select enough from found)
        order by l.at desc, l.id desc limit ${limit}),
     page as (
       select id, at from near where (select enough from found)
       union all
       select p.id, p.at from whose
        cross join lateral (
              select r.id, ${by} as at from ${table} r
               where ${patientId} = whose.patient_id
          and ${narrowed}
               ${latest} limit ${limit}) p
        order by at desc, id desc limit ${limit})
     ${select}
       from page join ${table} r on r.id = page.id join subject_keys k on k.subject_id = ${patientId}
      where $1::uuid[] is null
      ${latest}`,
  };
}
