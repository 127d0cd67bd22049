import {
  type Actor,
  auditEvent,
  type BackupScheduleView,
  type FieldFault,
  InvalidInput,
  type NewBackupSchedule,
  VersionConflict,
} from "@medvault/contracts";
import { idempotent, replayHeaders } from "@medvault/keys";
import { emit } from "@medvault/messaging";
import { type Db, inTransaction, type Tx } from "@medvault/postgres";
import type { Answer, WriteRequest } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { backupEvent } from "./backup.events.ts";
import { removeMarked } from "./backup.service.ts";
import { beginDeletion, newestWhole, takeTurn, underWay } from "./backup.store.ts";
import { beginMaking, beginVerifying, noteMaking, noteVerifying } from "./making.service.ts";
import { failuresSince, getSchedule, listKept, replaceSchedule } from "./schedule.store.ts";
import { expired, nextDue, notBefore, type Plan, patternFault, type Schedule } from "./schedule.ts";

type Told = Answer<BackupScheduleView>;

/** The schedule, and what is due next. */
export async function readSchedule({ pool, appender }: Context, actor: Actor): Promise<Told> {
  const schedule = await getSchedule(pool);
  const body = await viewOf(pool, schedule);
  await appender.append(scheduleEvent(actor, "read", {}));
  return { body, rev: schedule.rev };
}

/** Sets the schedule. @throws InvalidInput for a pattern that is none, VersionConflict */
export async function setSchedule(
  { pool, keyring, appender }: Context,
  actor: Actor,
  plan: NewBackupSchedule,
  rev: number | null,
  write: WriteRequest,
): Promise<Told> {
  requirePatterns(plan);
  const details = { ...plan };
  const work = async (tx: Tx) => {
    const schedule = await replaceSchedule(tx, plan, { by: actor.id, rev });
    if (!schedule) throw new VersionConflict();
    await emit(tx, "backup", scheduleEvent(actor, "changed", details));
    return { status: 200, body: { view: await viewOf(tx, schedule), rev: schedule.rev } };
  };
  const answer = await idempotent(pool, keyring, { ...write, actorId: actor.id }, work, () =>
    appender.append(scheduleEvent(actor, "changed", { ...details, replayed: true })),
  );
  return { body: answer.body.view, rev: answer.body.rev, headers: replayHeaders(answer) };
}

/** Begins what is due: however often it was missed, once. It goes on after this. */
export async function beginDue(context: Context, now: Date): Promise<void> {
  const { pool } = context;
  if (isDue(await dueTimes(pool, await getSchedule(pool)), now).nothing) return;
  const begun = await inTransaction(pool, async (tx) => {
    await takeTurn(tx); // another process may have begun it
    const due = isDue(await dueTimes(tx, await getSchedule(tx)), now);
    const busy = await underWay(tx);
    if (busy.restore) return { made: null, verified: null };
    const newest = due.verification && !busy.verification ? await newestWhole(tx) : null;
    if (newest !== null) await noteVerifying(tx, newest);
    const isMaking = due.backup && !busy.backup;
    return { made: isMaking ? await noteMaking(tx, null, true) : null, verified: newest };
  });
  if (begun.made) beginMaking(context, null, begun.made);
  if (begun.verified) beginVerifying(context, null, begun.verified);
}

/** Deletes what the schedule made and does not keep: none while a restore waits or runs. */
export async function applyRetention(context: Context): Promise<void> {
  const { pool } = context;
  for (const { id } of await toDelete(pool)) {
    const isMarked = await inTransaction(pool, async (tx) => {
      await takeTurn(tx);
      // Looked at again: a newer one may be gone, or found damaged, meanwhile.
      const isExpired = (await toDelete(tx)).some((backup) => backup.id === id);
      if (!isExpired || (await underWay(tx)).restore || !(await beginDeletion(tx, id))) return false;
      await emit(tx, "backup", backupEvent(null, "deleted", id, { details: { by: "retention" } }));
      return true;
    });
    if (isMarked) await removeMarked(context, id);
  }
}

const toDelete = async (db: Db) => expired(await listKept(db), await getSchedule(db));

interface DueTimes {
  readonly backup: Date | null;
  readonly verification: Date | null;
}

/** When a backup and a verification are due; null: never. A failed backup is tried again. */
async function dueTimes(db: Db, schedule: Schedule): Promise<DueTimes> {
  const { cron, verifyCron, timeZone, dueFrom, verifyDueFrom } = schedule;
  const backup = nextDue(cron, timeZone, dueFrom);
  return {
    backup: backup && notBefore(backup, await failuresSince(db, dueFrom)),
    verification: nextDue(verifyCron, timeZone, verifyDueFrom),
  };
}

function isDue({ backup, verification }: DueTimes, now: Date) {
  const due = {
    backup: backup !== null && backup <= now,
    verification: verification !== null && verification <= now,
  };
  return { ...due, nothing: !due.backup && !due.verification };
}

function requirePatterns(plan: NewBackupSchedule): void {
  const faults: FieldFault[] = (["cron", "verifyCron"] as const).flatMap((path) => {
    const pattern = plan[path];
    const message = pattern === null ? null : patternFault(pattern, plan.timeZone, new Date());
    return message === null ? [] : [{ path, code: "invalid_pattern", message }];
  });
  if (faults.length > 0) throw new InvalidInput(undefined, faults);
}

async function viewOf(db: Db, schedule: Schedule): Promise<BackupScheduleView> {
  const { cron, verifyCron, timeZone, keepDaily, keepWeekly, keepMonthly } = schedule;
  const plan: Plan = { cron, verifyCron, timeZone, keepDaily, keepWeekly, keepMonthly };
  const due = await dueTimes(db, schedule);
  return {
    ...plan,
    nextAt: due.backup?.toISOString() ?? null,
    nextVerifyAt: due.verification?.toISOString() ?? null,
    updatedAt: schedule.updatedAt?.toISOString() ?? null,
  };
}

function scheduleEvent(
  actor: Actor,
  verb: "read" | "changed",
  details: Readonly<Record<string, string | number | boolean | null>>,
) {
  return auditEvent(actor, {
    type: `medvault.backup.schedule.${verb}.v1`,
    subject: "backup-schedule",
    action: verb === "read" ? "backup:read" : "backup:delete",
    details,
  });
}
