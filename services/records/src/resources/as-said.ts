/**
 * What was said of dates whose columns hold more than that, since rows are sorted by them:
 * `{ occurredAt: "1980-05" }`, or "" where nobody said one. What is not in it was said as its
 * column has it.
 */
export type Said = Readonly<Record<string, string>>;

interface Dated {
  said: Said | null;
}

/** A date as it was said: an instant in UTC, a day, a month, a year; null where nobody said one. */
export function asSaid<T extends Dated>(value: T, field: keyof T & string): string | null {
  const said = value.said?.[field];
  if (said !== undefined) return said === "" ? null : said;
  const column: unknown = value[field];
  return column instanceof Date ? column.toISOString() : ((column as string | null) ?? null);
}

/** Marks what stands in a list without a date. */
export const undatedMark = <T extends Dated>(value: T, field: keyof T & string): true | undefined =>
  asSaid(value, field) === null ? true : undefined;

/** The first day of a partial date. */
export const firstDay = (said: string): string => `${said}-01-01`.slice(0, DAY_CHARS);

/** The last day of a partial date: what ends in May ends with it. */
export function lastDay(said: string): string {
  if (said.length === DAY_CHARS) return said;
  const [year = "", month = "12"] = said.split("-");
  const day = new Date(0);
  day.setUTCFullYear(Number(year), Number(month), 0);
  return day.toISOString().slice(0, DAY_CHARS);
}

export const DAY_CHARS = "2000-01-01".length;
