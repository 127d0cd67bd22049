/**
 * Which chart an opened row is shown in, where charts were merged: what a statement found beside
 * the row. A symbol, so that it stays with a value that is changed and is never sealed with it.
 */
export const CHART: unique symbol = Symbol("chart");

export interface MergedChart {
  /** The surviving patient: what answers show as whose row it is. */
  readonly id: string;
  /** Of a patient: who were merged into the surviving one, first to last. */
  readonly mergedFrom?: readonly string[];
  /** Of a patient: whose account the chart is. */
  readonly userId?: string | null;
}

/** The patient in whose chart a row of this patient is shown. */
export const shownUnder = (row: { readonly [CHART]?: MergedChart }, patientId: string): string =>
  row[CHART]?.id ?? patientId;

/** The value with what a statement found in its column `chart`: null, an id, or a whole chart. */
export function inChart<T extends object>(value: T, chart: unknown): T {
  if (chart === null || chart === undefined) return value;
  return Object.assign(value, { [CHART]: typeof chart === "string" ? { id: chart } : chart });
}
