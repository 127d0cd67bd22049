import type { Actor } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { patientsInReach, reachOf } from "../access/reach.ts";
import type { CalendarEntry } from "./calendar.ts";
import type { Span } from "./opening-hours.ts";

/**
 * Makes those who book this doctor's time wait for each other until the transaction ends: the
 * constraint alone would let two of them wait for one another, until Postgres ends one.
 */
export async function holdDoctorsTime(tx: Tx, actor: Actor, doctorId: string): Promise<void> {
  reachOf(actor, "appointment:write");
  await tx.query("select pg_advisory_xact_lock(hashtextextended('medvault.appointments/' || $1::text, 0))", [
    doctorId,
  ]);
}

/** Whether a write was refused since the doctor has another appointment then. */
export function isTaken(error: unknown): boolean {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === EXCLUSION_VIOLATION && constraint === "appointments_one_at_a_time";
}
const EXCLUSION_VIOLATION = "23P01";

/** More than an appointment of each minute of a month. */
const MAX_BUSY = 50_000;

/** When a doctor has appointments that stand, with any patient: times, and nothing else. */
export async function busyTimes(
  db: Db,
  actor: Actor,
  doctorId: string,
  from: number,
  to: number,
): Promise<Span[]> {
  reachOf(actor, "appointment:read");
  const { rows } = await db.query<{ starts_at: Date; ends_at: Date }>(
    `select r.starts_at, r.ends_at from appointments r
      where r.doctor_id = $1 and r.starts_at >= $2::timestamptz - interval '1 day' and r.starts_at < $3
        and r.status <> 'cancelled'
      order by r.starts_at limit ${MAX_BUSY}`,
    [doctorId, new Date(from), new Date(to)],
  );
  return rows.map((row) => ({ from: row.starts_at.getTime(), to: row.ends_at.getTime() }));
}

/** Whether a doctor treats the patient whose account this is. */
export async function isOwnDoctor(db: Db, actor: Actor, doctorId: string): Promise<boolean> {
  const { userId } = reachOf(actor, "appointment:read");
  const { rows } = await db.query(
    `select from ${patientsInReach("$1", "'own'")} a
       join care_team c on c.patient_id = a.patient_id where c.user_id = $2 limit 1`,
    [userId, doctorId],
  );
  return rows.length > 0;
}

/**
 * How many requests of a patient wait for an answer; who asks for one more of the same waits
 * until this transaction ends.
 */
export async function waitingRequests(tx: Tx, actor: Actor, patientId: string): Promise<number> {
  reachOf(actor, "appointment:write");
  await tx.query("select pg_advisory_xact_lock(hashtextextended('medvault.requests/' || $1::text, 0))", [
    patientId,
  ]);
  const { rows } = await tx.query<{ count: number }>(
    `select count(*)::int as count from appointments r
      where r.patient_id = $1 and r.status = 'requested' and r.starts_at > now()`,
    [patientId],
  );
  return rows[0]?.count ?? 0;
}

const MAX_ENTRIES = 2_000;

/**
 * What a calendar shows of somebody's own appointments that are not cancelled: of a doctor those
 * that take their time, with any patient; of a patient those of their chart, and whose it is.
 */
export async function calendarEntries(
  db: Db,
  actor: Actor,
): Promise<{ entries: CalendarEntry[]; patientIds: string[] }> {
  const { scope, userId } = reachOf(actor, "appointment:read");
  const whose =
    scope === "own"
      ? `r.patient_id in (select a.patient_id from ${patientsInReach("$1", "'own'")} a)`
      : "r.doctor_id = $1";
  const { rows } = await db.query<CalendarEntry & { patientId: string }>(
    `select r.id, r.rev, r.patient_id as "patientId", r.starts_at as "startsAt", r.ends_at as "endsAt",
            r.updated_at as "updatedAt", r.status <> 'requested' as "isAgreed"
       from appointments r
      where ${whose} and r.status <> 'cancelled'
        and r.starts_at >= now() - interval '31 days' and r.starts_at < now() + interval '366 days'
      order by r.starts_at limit ${MAX_ENTRIES}`,
    [userId],
  );
  const patientIds = scope === "own" ? [...new Set(rows.map((row) => row.patientId))] : [];
  return { entries: rows, patientIds };
}
