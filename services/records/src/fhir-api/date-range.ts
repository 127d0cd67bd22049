import { toInstant } from "../fhir/date.ts";

/** The moments that a date may mean: from its first up to, without it, the one after its last. */
export interface DateRange {
  from: number;
  to: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** The range of a FHIR date to its precision (`2024-05` is the whole month); null for no date. */
function rangeOf(text: string): DateRange | null {
  const instant = toInstant(text);
  if (instant === null) return null;
  const from = Date.parse(instant);
  const first = new Date(from);
  switch (text.length) {
    case "2024".length:
      return { from, to: Date.UTC(first.getUTCFullYear() + 1, 0, 1) };
    case "2024-05".length:
      return { from, to: Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1) };
    case "2024-05-06".length:
      return { from, to: from + DAY_MS };
    default:
      if (/\.\d/.test(text)) return { from, to: from + 1 };
      return { from, to: from + (/:\d\d:\d\d/.test(text) ? 1_000 : MINUTE_MS) };
  }
}

/** The range of a dateTime, instant or Period; an open end has none. */
export function rangeOfElement(value: unknown): DateRange | null {
  if (typeof value === "string") return rangeOf(value);
  if (typeof value !== "object" || value === null) return null;
  const { start, end } = value as { start?: unknown; end?: unknown };
  const [first, last] = [start, end].map((one) => (typeof one === "string" ? rangeOf(one) : null));
  if (!first && !last) return null;
  return { from: first?.from ?? Number.NEGATIVE_INFINITY, to: last?.to ?? Number.POSITIVE_INFINITY };
}

const PREFIXES = ["eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"] as const;
type Prefix = (typeof PREFIXES)[number];

/** A date as a search compares with it: `ge2024-05`. */
export interface DateCondition {
  prefix: Prefix;
  range: DateRange;
}

export function dateConditionOf(text: string): DateCondition | null {
  const prefix = PREFIXES.find((one) => text.startsWith(one));
  const range = rangeOf(prefix ? text.slice(2) : text);
  return range && { prefix: prefix ?? "eq", range };
}

/** How FHIR R4 compares ranges (https://hl7.org/fhir/R4/search.html#prefix). */
export function meetsDate(found: DateRange, { prefix, range }: DateCondition): boolean {
  const isWithin = found.from >= range.from && found.to <= range.to;
  switch (prefix) {
    case "eq":
      return isWithin;
    case "ne":
      return !isWithin;
    case "gt":
      return found.to > range.to;
    case "ge":
      return found.to > range.to || isWithin;
    case "lt":
      return found.from < range.from;
    case "le":
      return found.from < range.from || isWithin;
    case "sa":
      return found.from >= range.to;
    case "eb":
      return found.to <= range.from;
  }
}
