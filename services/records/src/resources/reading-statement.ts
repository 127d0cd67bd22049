import { isOpen, reached } from "../access/reach.ts";
import { OWN_PARAMETER, type PageOf, pageCtes, rowsOf, where, withOnePlan } from "./reached-rows.ts";
import { type Layout, quote, selectOf, shown } from "./statement.ts";

/**
 * A statement that reads rows in the order in which they were stored. Parameters: those of
 * `parametersOf`, how many bytes of boxes may stand before the last row, then, where `isAfter`,
 * after which id, and where `isOfIds`, of which alone.
 */
export type ReadingStatement = (of: PageOf, isAfter: boolean, isOfIds: boolean) => string;

/** More than for a list: a batch has up to 1,000 rows. */
const ROWS_LOOKED_AT = 10_000;

export function readingStatementsOf(layout: Layout): ReadingStatement {
  const made = new Map<string, string>();
  return (of, isAfter, isOfIds) => {
    const key = JSON.stringify([of, isAfter, isOfIds]);
    const text = made.get(key) ?? withOnePlan(readingStatement(layout, of, isAfter, isOfIds));
    made.set(key, text);
    return text;
  };
}

function readingStatement(layout: Layout, of: PageOf, isAfter: boolean, isOfIds: boolean): string {
  const table = quote(layout.table);
  const patientId = `r.${quote(layout.subject)}`;
  const bytes = OWN_PARAMETER[of];
  const conditions = [
    ...shown(layout),
    ...(layout.part ? [isOpen(patientId, 2, layout.part)] : []),
    ...(isAfter ? [`r.id > $${bytes + 1}::uuid`] : []),
    ...(isOfIds ? [`r.id = any($${bytes + 1 + Number(isAfter)}::uuid[])`] : []),
  ];
  const rows = { table, patientId, by: "r.id", direction: "asc", conditions } as const;
  const page =
    of === "reach" && isOfIds
      ? `page as (
       select r.id from ${table} r
        ${where([...conditions, reached(patientId, 2, layout.part)])}
        order by r.id limit $1)`
      : pageCtes(of, rows, ROWS_LOOKED_AT);
  return `with ${page},
     sized as (
       select page.id, sum(octet_length(r.sealed)) over (order by page.id) - octet_length(r.sealed) as before
         from page cross join lateral (select x.sealed from ${table} x where x.id = page.id offset 0) r)
     ${selectOf(layout, 2)}
       from ${rowsOf("sized", rows)}
      where sized.before <= $${bytes}::bigint
      order by r.id`;
}
