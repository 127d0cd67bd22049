const DAY_MS = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const numeric = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric" } as const;
  const seconds = { minute: "numeric", second: "numeric" } as const;
  const options = { ...numeric, ...seconds, hourCycle: "h23", calendar: "iso8601" } as const;
  const format = new Intl.DateTimeFormat("en-US", { ...options, timeZone: zone });
  formats.set(zone, format);
  return format;
}

/** Whether it is a time zone of the IANA database. */
export function isTimeZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
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

/** When a day of the calendar begins, and when the next one does: 23 to 25 hours later. */
export function dayOf(date: string, zone: string): { from: Date; to: Date } {
  const midnight = Date.parse(`${date}T00:00:00Z`);
  return { from: new Date(momentOf(midnight, zone)), to: new Date(momentOf(midnight + DAY_MS, zone)) };
}

const isDay = (asked: string): boolean => asked.length === "2026-01-31".length;
/** Beyond what Postgres takes and ISO 8601 spells with four digits. */
const [EARLIEST, LATEST] = [Date.parse("0001-01-01T00:00:00Z"), Date.parse("9999-12-31T23:59:59Z")];
const clamped = (at: Date): string =>
  new Date(Math.min(Math.max(at.getTime(), EARLIEST), LATEST)).toISOString();

/** From when on and until when, of instants or days of which both are included. */
export function periodOf(
  { from, to }: { from?: string | undefined; to?: string | undefined },
  zone: string,
): { from?: string; to?: string } {
  const beginning = (asked: string) => (isDay(asked) ? dayOf(asked, zone).from : new Date(asked));
  const end = (asked: string) => (isDay(asked) ? dayOf(asked, zone).to : new Date(asked));
  return {
    ...(from !== undefined && { from: clamped(beginning(from)) }),
    ...(to !== undefined && { to: clamped(end(to)) }),
  };
}
