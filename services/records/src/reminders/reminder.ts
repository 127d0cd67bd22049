import { wallTimeAt } from "@medvault/contracts";
import { dayOf } from "../appointments/clinic-calendar.ts";

/** What patients are reminded of. */
export type ReminderKind = "prescription" | "appointment";
export const REMINDER_KINDS: readonly ReminderKind[] = ["prescription", "appointment"];

export type ReminderState = "waiting" | "announced" | "withdrawn";

/** From when on, and until before when, what is due is announced. */
export interface DueWindow {
  readonly from: Date;
  readonly before: Date;
}

const DAY_MS = 86_400_000;
const midnight = (day: number): Date => new Date(day * DAY_MS);

/**
 * What is announced at a moment: a prescription that ends today or within `days` (noted under
 * midnight in UTC of its last day), an appointment that has not begun and begins tomorrow at the
 * latest, by the clinic's calendar.
 */
export function dueWindow(kind: ReminderKind, now: Date, zone: string, days: number): DueWindow {
  const today = Math.floor(wallTimeAt(now.getTime(), zone) / DAY_MS);
  if (kind === "prescription") return { from: midnight(today), before: midnight(today + days + 1) };
  return { from: now, before: dayOf(dayText(midnight(today + 1)), zone).to };
}

const dayText = (day: Date): string => day.toISOString().slice(0, "2026-01-31".length);

/** From when on a reminder is of no use: the day is over, or it has begun. */
export const notAfter = (kind: ReminderKind, due: Date, zone: string): Date =>
  kind === "prescription" ? dayOf(dayText(due), zone).to : due;

/**
 * What becomes of a reminder, of which `stands` says whether its row still is as it was noted, and
 * null that there is no row any more.
 */
export function nextState(state: ReminderState, stands: boolean | null): ReminderState | "gone" {
  if (state === "announced") return stands ? "announced" : "withdrawn";
  if (state === "withdrawn") return stands ? "waiting" : stands === null ? "gone" : "withdrawn";
  return stands ? "waiting" : "gone";
}
