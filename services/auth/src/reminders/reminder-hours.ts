import { momentOf, momentsOf, wallTimeAt } from "@medvault/contracts";

/** From when on, and until when, people may be reminded, in minutes of the day. */
export interface ReminderHours {
  readonly from: number;
  readonly to: number;
}

const HOURS = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LEAST_MINUTES = 60;

/** `08:00-20:00`; null for what is no such time of an hour or more. */
export function parseReminderHours(text: string): ReminderHours | null {
  const [hour, minute, toHour, toMinute] = (HOURS.exec(text) ?? []).slice(1).map(Number);
  if (hour === undefined || minute === undefined || toHour === undefined || toMinute === undefined)
    return null;
  const [from, to] = [hour * 60 + minute, toHour * 60 + toMinute];
  return to - from >= LEAST_MINUTES && to <= DAY_MS / MINUTE_MS ? { from, to } : null;
}

/**
 * The next moment in which somebody in this time zone may be reminded: now, or when the hours next
 * begin there.
 */
export function nextReminderAt(now: Date, zone: string, { from, to }: ReminderHours): Date {
  const wall = wallTimeAt(now.getTime(), zone);
  const midnight = Math.floor(wall / DAY_MS) * DAY_MS;
  const minutes = (wall - midnight) / MINUTE_MS;
  if (minutes >= from && minutes < to) return now;
  const begins = midnight + (minutes < from ? 0 : DAY_MS) + from * MINUTE_MS;
  // Of two moments that show it, the first that is to come; of none, the one in their place.
  const coming = momentsOf(begins, zone).find((moment) => moment > now.getTime());
  return new Date(coming ?? momentOf(begins, zone));
}
