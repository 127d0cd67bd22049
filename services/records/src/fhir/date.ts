/** FHIR R4 date, dateTime and instant (https://hl7.org/fhir/R4/datatypes.html#dateTime). */
const DATE_TIME =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/;
const DAY_CHARS = "2018-05-04".length;
/** Some systems write "for ever" as the last second of 9999 at their own offset. */
const END_OF_TIME = "9999-12-31T23:59:59.999Z";

/**
 * The instant of a FHIR date in UTC, as RFC 3339 with milliseconds. A partial date is its first
 * moment; a time without an offset counts as UTC; a leap second counts as the second before it;
 * what an offset moves beyond 9999 is the end of it. Null for what is no date, or lies before year
 * 1.
 */
export function toInstant(value: string): string | null {
  const match = DATE_TIME.exec(value);
  if (!match) return null;
  const [
    ,
    year,
    month = "01",
    day = "01",
    hour = "00",
    minute = "00",
    second = "00",
    fraction = "",
    offset = "Z",
  ] = match;
  const wholeSecond = second === "60" ? "59" : second;
  const millis = fraction.slice(0, 3).padEnd(3, "0");
  const text = `${year}-${month}-${day}T${hour}:${minute}:${wholeSecond}.${millis}${offset}`;
  const date = new Date(text);
  if (Number.isNaN(date.getTime()) || !isCalendarDay(Number(year), Number(month), Number(day))) return null;
  const utcYear = date.getUTCFullYear();
  if (utcYear > 9999) return END_OF_TIME;
  return utcYear >= 1 ? date.toISOString() : null;
}

/** The day, in UTC, of a FHIR date: `YYYY-MM-DD`, or null like {@link toInstant}. */
export function toDay(value: string): string | null {
  return toInstant(value)?.slice(0, 10) ?? null;
}

/** A FHIR date as our records say it: partial as it is, an instant in UTC where it has a time. */
export function toSaid(value: string): string | null {
  return value.length <= DAY_CHARS ? value : toInstant(value);
}

/** `new Date` rolls 30 February over into March; a calendar does not. */
function isCalendarDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
