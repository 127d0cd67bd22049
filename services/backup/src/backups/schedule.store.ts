import type { Db, Tx } from "@medvault/postgres";
import type { Failures, Kept, Plan, Schedule } from "./schedule.ts";

const SCHEDULE = `rev, cron, verify_cron as "verifyCron", time_zone as "timeZone", keep_daily as "keepDaily",
            keep_weekly as "keepWeekly", keep_monthly as "keepMonthly", due_from as "dueFrom",
            verify_due_from as "verifyDueFrom", updated_at as "updatedAt"`;

export async function getSchedule(db: Db): Promise<Schedule> {
  const { rows } = await db.query<Schedule>(`select ${SCHEDULE} from schedule`);
  if (!rows[0]) throw new RangeError("the schedule's row is gone");
  return rows[0];
}

/**
 * Sets the schedule: what was due before is not made up for. Null where it has another revision
 * than `rev`; null as `rev` asks for none.
 */
export async function replaceSchedule(
  tx: Tx,
  plan: Plan,
  { by, rev }: { by: string; rev: number | null },
): Promise<Schedule | null> {
  const { rows } = await tx.query<Schedule>(
    `update schedule
        set rev = rev + 1, cron = $1, verify_cron = $2, time_zone = $3, keep_daily = $4, keep_weekly = $5,
            keep_monthly = $6, updated_by = $7, due_from = now(), verify_due_from = now(), updated_at = now()
      where $8::int is null or rev = $8
     returning ${SCHEDULE}`,
    [
      ...[plan.cron, plan.verifyCron, plan.timeZone],
      ...[plan.keepDaily, plan.keepWeekly, plan.keepMonthly, by, rev],
    ],
  );
  return rows[0] ?? null;
}

/** The schedule's backups that failed after this moment. */
export async function failuresSince(db: Db, moment: Date): Promise<Failures> {
  const { rows } = await db.query<Failures>(
    `select count(*) as count, max(finished_at) as "lastAt"
       from backups where scheduled and state = 'failed' and created_at > $1`,
    [moment],
  );
  return rows[0] ?? { count: 0, lastAt: null };
}

/** What was due up to now is done, or is not to be made up for. */
export async function noteDone(tx: Tx, what: "backup" | "verification"): Promise<void> {
  const column = what === "backup" ? "due_from" : "verify_due_from";
  await tx.query(`update schedule set ${column} = now()`);
}

/** The most backups among which retention chooses. */
const MOST_KEPT = 10_000;

/** Whole backups, the newest first. */
export async function listKept(db: Db): Promise<Kept[]> {
  const { rows } = await db.query<Kept>(
    `select id, created_at as "createdAt", scheduled, coalesce(verify_state = 'passed', false) as "isVerified"
       from backups where state = 'complete' order by id desc limit ${MOST_KEPT}`,
  );
  return rows;
}
