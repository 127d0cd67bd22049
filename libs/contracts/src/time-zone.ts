import { z } from "zod";

const DAY_MS = 86_400_000;

/** Zones are some 600; names of them in any case would be without end. */
const MAX_FORMATS = 1_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  if (formats.size >= MAX_FORMATS) formats.clear();
  const numeric = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric" } as const;
  const seconds = { minute: "numeric", second: "numeric" } as const;
  const options = { ...numeric, ...seconds, hourCycle: "h23", calendar: "iso8601" } as const;
  const format = new Intl.DateTimeFormat("en-US", { ...options, timeZone: zone });
  formats.set(zone, format);
  return format;
}

/** Whether it is a time zone of the IANA database, by its name there and not by an offset. */
export function isTimeZone(zone: string): boolean {
  try {
    formatOf(zone);
    return /^[A-Za-z]/.test(zone);
  } catch {
    return false;
  }
}

/** What a clock on the wall shows at a moment, as milliseconds: of UTC it would be that moment. */
export function wallTimeAt(moment: number, zone: string): number {
  const parts = formatOf(zone).formatToParts(moment);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const [hour, minute, second] = [part("hour"), part("minute"), part("second")];
  return Date.UTC(part("year"), part("month") - 1, part("day"), hour, minute, second);
}

/**
 * The moments in which a clock on the wall shows a time: two where clocks go back, none where they
 * go forward past it.
 */
export function momentsOf(wallTime: number, zone: string): number[] {
  const offsets = [-DAY_MS, DAY_MS].map((far) => wallTimeAt(wallTime + far, zone) - (wallTime + far));
  return [...new Set(offsets)]
    .map((offset) => wallTime - offset)
    .filter((moment) => wallTimeAt(moment, zone) === wallTime)
    .sort((one, other) => one - other);
}

/**
 * The first or last moment in which a clock shows a time; where none does, the one that the clock
 * from before would have called so (RFC 5545, 3.3.5).
 */
export function momentOf(wallTime: number, zone: string, which: "first" | "last" = "first"): number {
  const moments = momentsOf(wallTime, zone);
  const before = wallTime - DAY_MS;
  return moments.at(which === "first" ? 0 : -1) ?? wallTime - (wallTimeAt(before, zone) - before);
}

/** The name of a time zone, as the IANA database has it. */
export const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, "must be a time zone of the IANA database, such as Europe/Berlin");
