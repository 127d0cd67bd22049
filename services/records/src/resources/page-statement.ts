import { isOpen } from "../access/reach.ts";
import { OWN_PARAMETER, type PageOf, pageCtes, rowsOf, withOnePlan } from "./reached-rows.ts";
import { type Layout, quote, selectOf, shown, type TypedColumn } from "./statement.ts";

/** A column that a list's filter compares with the value that it is given. */
interface ComparedColumn extends TypedColumn {
  readonly operator: "=" | ">=" | "<=" | "<";
}

/**
 * A page's statement; `given` says which filters are asked for, `isAfter` whether it goes on.
 * Parameters: those of `parametersOf`, the filters that are given, and the last row's `order` and
 * id.
 */
type PageStatement = (of: PageOf, given: readonly boolean[], isAfter: boolean) => string;

export interface PageStatements {
  readonly text: PageStatement;
  /**
   * Whether one of the given filters compares with another column than the order's: its value may
   * be rare, so it is planned with it.
   */
  hasOwnPlan(given: readonly boolean[]): boolean;
}

/**
 * Pages, latest first. Each combination of filters is a statement of its own, so that Postgres can
 * keep its plan.
 */
export function pageStatementsOf(
  layout: Layout,
  order: TypedColumn,
  filters: readonly ComparedColumn[],
): PageStatements {
  const made = new Map<string, string>();
  const hasOwnPlan = (given: readonly boolean[]) =>
    filters.some(({ column }, at) => given[at] && column !== order.column);
  return {
    hasOwnPlan,
    text(of, given, isAfter) {
      const key = JSON.stringify([of, given, isAfter]);
      const known = made.get(key);
      if (known !== undefined) return known;
      const body = pageStatement(layout, order, filters, of, given, isAfter);
      const text = hasOwnPlan(given) ? body : withOnePlan(body);
      made.set(key, text);
      return text;
    },
  };
}

function pageStatement(
  layout: Layout,
  order: TypedColumn,
  filters: readonly ComparedColumn[],
  of: PageOf,
  given: readonly boolean[],
  isAfter: boolean,
): string {
  const compared = filters.filter((_, at) => given[at]);
  const first = OWN_PARAMETER[of];
  const after = first + compared.length;
  const by = `r.${quote(order.column)}`;
  const conditions = [
    ...shown(layout),
    ...(layout.part ? [isOpen(`r.${quote(layout.subject)}`, 2, layout.part)] : []),
    ...compared.map(
      ({ column, type, operator }, at) => `r.${quote(column)} ${operator} $${first + at}::${type}`,
    ),
    ...(isAfter ? [`(${by}, r.id) < ($${after}::${order.type}, $${after + 1}::uuid)`] : []),
  ];
  return pageBodyOf(layout, by, conditions, of);
}

function pageBodyOf(layout: Layout, by: string, conditions: readonly string[], of: PageOf): string {
  const table = quote(layout.table);
  const patientId = `r.${quote(layout.subject)}`;
  const rows = { table, patientId, by, direction: "desc", conditions } as const;
  return `with ${pageCtes(of, rows)}
     ${selectOf(layout, 2)}
       from ${rowsOf("page", rows)}
      order by page.at desc, page.id desc`;
}
