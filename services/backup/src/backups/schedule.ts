import { wallTimeAt } from "@medvault/contracts";
import { Cron } from "croner";

/** Patterns and how many are kept, as somebody set them; null: never, and all. */
export interface Plan {
  readonly cron: string | null;
  readonly verifyCron: string | null;
  readonly timeZone: string;
  readonly keepDaily: number | null;
  readonly keepWeekly: number | null;
  readonly keepMonthly: number | null;
}

export interface Schedule extends Plan {
  readonly rev: number;
  /** What was due up to then is done. */
  readonly dueFrom: Date;
  readonly verifyDueFrom: Date;
  readonly updatedAt: Date | null;
}

/** A pattern may not be due more often: a backup would not be over before the next. */
const LEAST_PAUSE_MS = 5 * 60_000;
const LOOKED_AHEAD = 50;

/** What is wrong with a pattern, in words; null: nothing. */
export function patternFault(pattern: string, timeZone: string, now: Date): string | null {
  let runs: Date[];
  try {
    runs = new Cron(pattern, { timezone: timeZone, mode: "5-part" }).nextRuns(LOOKED_AHEAD, now);
  } catch {
    return "must be a pattern of cron, such as 30 2 * * * (half past two, each day)";
  }
  if (runs.length === 0) return "names a time that never comes";
  const isTooOften = runs.some((run, at) => {
    const next = runs[at + 1];
    return next !== undefined && next.getTime() - run.getTime() < LEAST_PAUSE_MS;
  });
  return isTooOften ? "may be due at most every 5 minutes" : null;
}

/** When a pattern is due next after a moment; null: never. However many were missed, it is one. */
export function nextDue(pattern: string | null, timeZone: string, after: Date): Date | null {
  if (pattern === null) return null;
  return new Cron(pattern, { timezone: timeZone, mode: "5-part" }).nextRun(after);
}

/** Those that failed since the last good one. */
export interface Failures {
  readonly count: number;
  readonly lastAt: Date | null;
}

const FIRST_RETRY_MS = 15 * 60_000;
const LAST_RETRY_MS = 4 * 60 * 60_000;

/** When what is due and failed is tried again: after 15 minutes, doubling to four hours. */
export function notBefore(due: Date, { count, lastAt }: Failures): Date {
  if (count === 0 || lastAt === null) return due;
  const pause = Math.min(FIRST_RETRY_MS * 2 ** Math.min(count - 1, 10), LAST_RETRY_MS);
  return new Date(Math.max(due.getTime(), lastAt.getTime() + pause));
}

/** A whole backup. */
export interface Kept {
  readonly id: string;
  readonly createdAt: Date;
  readonly scheduled: boolean;
  readonly isVerified: boolean;
}

const DAY_MS = 86_400_000;
const dayOf = (wallTime: number): number => Math.floor(wallTime / DAY_MS);
/** 1970-01-01 was a Thursday, and weeks begin on Monday. */
const weekOf = (wallTime: number): number => Math.floor((dayOf(wallTime) + 3) / 7);
const monthOf = (wallTime: number): number => {
  const date = new Date(wallTime);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
};

/**
 * Which backups retention deletes: of those that the schedule made, all but the newest of each of
 * the newest days, weeks and months that have one. Never the newest whole one, nor the newest that
 * was found to be good. Nothing where no number is set.
 */
export function expired(backups: readonly Kept[], plan: Plan): Kept[] {
  const rules = [
    [plan.keepDaily, dayOf],
    [plan.keepWeekly, weekOf],
    [plan.keepMonthly, monthOf],
  ] as const;
  if (rules.every(([keep]) => keep === null)) return [];
  const newestFirst = [...backups].sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime());
  const kept = new Set([newestFirst[0], newestFirst.find(({ isVerified }) => isVerified)]);
  for (const [keep, periodOf] of rules) {
    const seen = new Set<number>();
    for (const backup of newestFirst) {
      const period = periodOf(wallTimeAt(backup.createdAt.getTime(), plan.timeZone));
      if (!backup.scheduled || seen.has(period)) continue;
      if (seen.size >= (keep ?? 0)) break;
      seen.add(period);
      kept.add(backup);
    }
  }
  return newestFirst.filter((backup) => backup.scheduled && !kept.has(backup));
}
