import { momentOf } from "@medvault/contracts";

const DAY_MS = 86_400_000;

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
