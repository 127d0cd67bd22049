import { momentOf, wallTimeAt } from "@medvault/contracts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const SPAN = /^([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/;

/** From a moment on, and until another. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** When the clinic is open on each day of the week, Sunday first, in minutes of the day. */
export type Hours = readonly (readonly Span[])[];

/**
 * `Mon-Fri 08:00-12:00,13:00-18:00; Sat 09:00-12:00`; a day that is named nowhere is closed. Null
 * for what says it in no such way, overlaps, or ends before it begins.
 */
export function parseHours(text: string): Hours | null {
  const hours: Span[][] = DAYS.map(() => []);
  for (const part of text.toLowerCase().split(";")) {
    const [days = "", times = "", ...more] = part.trim().split(/\s+/);
    const named = daysOf(days);
    const spans = times.split(",").map(spanOf);
    if (!named || more.length > 0 || !spans.every((span) => span !== null)) return null;
    for (const day of named) hours[day]?.push(...spans);
  }
  for (const spans of hours) {
    spans.sort((one, other) => one.from - other.from);
    if (spans.some(({ from }, at) => from < (spans[at - 1]?.to ?? 0))) return null;
  }
  return hours;
}

function daysOf(text: string): number[] | null {
  const [first = -1, last = first, ...more] = text.split("-").map((day) => DAYS.indexOf(day));
  if (first < 0 || last < 0 || more.length > 0) return null;
  const length = ((last - first + DAYS.length) % DAYS.length) + 1;
  return Array.from({ length }, (_, at) => (first + at) % DAYS.length);
}

function spanOf(text: string): Span | null {
  const [hour, minute, toHour, toMinute] = (SPAN.exec(text) ?? []).slice(1).map(Number);
  if (hour === undefined || minute === undefined || toHour === undefined || toMinute === undefined)
    return null;
  const [from, to] = [hour * 60 + minute, toHour * 60 + toMinute];
  return from < to && to * MINUTE_MS <= DAY_MS ? { from, to } : null;
}

/**
 * When the clinic is open between two moments, in order and apart. A time that a clock shows twice
 * opens at its first and closes at its last; one that it does not show is as `momentOf` says.
 */
export function openingsBetween(hours: Hours, zone: string, from: number, to: number): Span[] {
  const openings: { from: number; to: number }[] = [];
  const firstDay = Math.floor(wallTimeAt(from, zone) / DAY_MS) - 1;
  const lastDay = Math.floor(wallTimeAt(to, zone) / DAY_MS);
  for (let day = firstDay; day <= lastDay; day++) {
    const midnight = day * DAY_MS;
    for (const span of hours[new Date(midnight).getUTCDay()] ?? []) {
      const opens = momentOf(midnight + span.from * MINUTE_MS, zone, "first");
      const closes = momentOf(midnight + span.to * MINUTE_MS, zone, "last");
      const former = openings.at(-1);
      if (former && opens <= former.to) former.to = Math.max(former.to, closes);
      else if (opens < closes) openings.push({ from: opens, to: closes });
    }
  }
  return openings.filter((opening) => opening.to > from && opening.from < to);
}

/** Whether the clinic is open all the time from one moment to another. */
export const isOpen = (hours: Hours, zone: string, from: number, to: number): boolean =>
  openingsBetween(hours, zone, from, to).some((opening) => opening.from <= from && opening.to >= to);

/**
 * Spans of equal length in which the clinic is open and nothing busy is, one after another from
 * each opening on, none of them begun: at most so many. `busy` is in order, and apart.
 */
export function freeSlots(
  openings: readonly Span[],
  busy: readonly Span[],
  { from, to, lengthMs, most }: Span & { lengthMs: number; most: number },
): Span[] {
  const slots: Span[] = [];
  let next = 0;
  for (const opening of openings) {
    for (let at = opening.from; at + lengthMs <= opening.to && slots.length < most; at += lengthMs) {
      const end = at + lengthMs;
      while ((busy[next]?.to ?? at + 1) <= at) next++;
      const isFree = (busy[next]?.from ?? end) >= end;
      if (isFree && at >= from && end <= to) slots.push({ from: at, to: end });
    }
  }
  return slots;
}
