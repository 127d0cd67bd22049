import { Refused } from "./row.ts";

interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

const FIELDS = { YYYY: "year", MM: "month", DD: "day", HH: "hour", mm: "minute", ss: "second" } as const;
const TOKEN = /YYYY|MM|DD|HH|mm|ss/g;
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
const PARTIAL = /^\d{4}(-\d{2})?$/;

/** A date of the source: the day as it was said, and the moment where a time was said. */
export interface Moment {
  readonly day: string;
  readonly instant: string | null;
}

/**
 * Reads a date as a map says that it is written.
 * @param format `iso`, `unix`, `unixms`, or with YYYY, MM, DD, HH, mm and ss
 * @param timeZone of times that say none
 * Throws Refused for another form, a day that is none, and a time that clocks skipped.
 */
export function momentOf(text: string, format: string, timeZone: string | null): Moment {
  if (format === "unix" || format === "unixms") return ofUnix(text, format);
  if (format !== "iso") return ofParts(partsOf(text, format), /[Hms]/.test(format), timeZone);
  if (PARTIAL.test(text)) return { day: text, instant: null };
  const found = ISO.exec(text) ?? refuse("is no ISO date");
  const [, year, month, day, hour, minute, second, zone] = found;
  const numbers = [year, month, day, hour ?? 0, minute ?? 0, second ?? 0].map(Number) as number[];
  const parts = partsFrom(numbers);
  if (hour === undefined || zone === undefined) return ofParts(parts, hour !== undefined, timeZone);
  requireReal(parts);
  const at = Date.parse(`${text.slice(0, 10)}T${text.slice(11).replace(/([+-]\d{2})(\d{2})$/, "$1:$2")}`);
  if (Number.isNaN(at)) refuse("is no date and time");
  return { day: text.slice(0, 10), instant: new Date(at).toISOString() };
}

function ofUnix(text: string, format: string): Moment {
  if (!/^\d{1,14}$/.test(text)) refuse("is no number of seconds since 1970");
  const at = new Date(Number(text) * (format === "unix" ? 1_000 : 1));
  const year = at.getUTCFullYear();
  if (Number.isNaN(year) || year > 9999) refuse("is no moment of the years 1970 to 9999");
  return { day: at.toISOString().slice(0, 10), instant: at.toISOString() };
}

function ofParts(parts: Parts, hasTime: boolean, timeZone: string | null): Moment {
  requireReal(parts);
  const utc = utcOf(parts);
  const day = new Date(utc).toISOString().slice(0, 10);
  if (!hasTime) return { day, instant: null };
  if (timeZone === null) refuse('has a time without a zone: say "timeZone" in the map', "no_time_zone");
  return { day, instant: new Date(inZone(utc, timeZone as string)).toISOString() };
}

function partsOf(text: string, format: string): Parts {
  const names: (keyof Parts)[] = [];
  const escaped = format.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const pattern = escaped.replaceAll(TOKEN, (token) => {
    names.push(FIELDS[token as keyof typeof FIELDS]);
    return token === "YYYY" ? "(\\d{4})" : "(\\d{1,2})";
  });
  const found = new RegExp(`^${pattern}$`).exec(text) ?? refuse(`is not written as ${format}`);
  const parts: Parts = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
  names.forEach((name, at) => {
    parts[name] = Number(found[at + 1]);
  });
  return parts;
}

function partsFrom([year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0]: number[]): Parts {
  return { year, month, day, hour, minute, second };
}

function utcOf({ year, month, day, hour, minute, second }: Parts): number {
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day); // Date.UTC takes the years 0 to 99 for others
  return at.setUTCHours(hour, minute, second);
}

function requireReal(parts: Parts): void {
  const at = new Date(utcOf(parts));
  const isReal =
    parts.year >= 1 &&
    at.getUTCMonth() + 1 === parts.month &&
    at.getUTCDate() === parts.day &&
    at.getUTCHours() === parts.hour &&
    at.getUTCMinutes() === parts.minute;
  if (!isReal) refuse("is no day of the calendar");
}

/** The moment of a local time; of two in the hour that comes twice, the first. */
function inZone(local: number, timeZone: string): number {
  if (timeZone === "UTC") return local;
  // Offsets are within 14 hours: one of a day before and of a day after is that of the moment.
  const offsets = [local - DAY_MS, local + DAY_MS].map((at) => offsetAt(at, timeZone));
  const fitting = offsets
    .map((offset) => local - offset)
    .filter((at) => at + offsetAt(at, timeZone) === local);
  if (fitting.length === 0) refuse(`never came in ${timeZone}: clocks skipped it`, "skipped_time");
  return Math.min(...fitting);
}

const DAY_MS = 86_400_000;
const formatters = new Map<string, Intl.DateTimeFormat>();

/** How far a zone is ahead of UTC then, in milliseconds. */
function offsetAt(at: number, timeZone: string): number {
  let formatter = formatters.get(timeZone);
  if (!formatter) {
    const two = "2-digit" as const;
    const clock = { hour: two, minute: two, second: two, hourCycle: "h23" } as const;
    const calendar = { era: "short", year: "numeric", month: two, day: two } as const;
    formatter = new Intl.DateTimeFormat("en-US", { timeZone, calendar: "gregory", ...calendar, ...clock });
    formatters.set(timeZone, formatter);
  }
  const found = Object.fromEntries(
    formatter.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
  );
  const numbers = ["year", "month", "day", "hour", "minute", "second"].map((name) => found[name] ?? 0);
  return utcOf(partsFrom(numbers)) - Math.floor(at / 1_000) * 1_000;
}

function refuse(message: string, code = "bad_date"): never {
  throw new Refused(code, message);
}
