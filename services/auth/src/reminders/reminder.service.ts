import { auditEvent, type NewEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import { findAccount } from "../accounts/account.store.ts";
import type { Account } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import type { Mail } from "../mail/mail.ts";
import { deleteMail } from "../mail/mail-queue.store.ts";
import { composeMail, type MailTask } from "../mail/mail-task.service.ts";
import { isReminderDone, noteReminder } from "./reminder.store.ts";
import { nextReminderAt } from "./reminder-hours.ts";
import { reminderMail } from "./reminder-mail.ts";
import { stopToken } from "./stop-token.ts";

export type ReminderTask = Extract<MailTask, { name: "reminder" }>;

/** Puts a reminder in line, unless it was sent or is in line. */
export async function awaitReminder(ctx: AuthContext, tx: Tx, task: ReminderTask): Promise<void> {
  if (!(await isReminderDone(tx, task.id))) await ctx.mails.later(tx, task, task.id);
}

/** Takes a reminder out of line, if it is still in it. */
export const callOffReminder = (tx: Tx, id: string): Promise<void> => deleteMail(tx, id);

/**
 * The mail of a reminder, as things are at this try; a later moment where its person sleeps; null
 * where there is nobody to remind, or no more use in it, which leaves an event.
 */
async function composeReminder(ctx: AuthContext, tx: Tx, task: ReminderTask): Promise<Mail | Date | null> {
  const account = await findAccount(tx, ctx, task.userId);
  const now = ctx.now();
  const { clinicTimeZone, reminderHours, language, publicUrl } = ctx.settings;
  const at = nextReminderAt(now, account?.timeZone ?? clinicTimeZone, reminderHours);
  const why = whyNot(account, task, at);
  if (why === null && account) {
    if (at > now) return at;
    return reminderMail({
      ...{ to: account.email, language: account.language ?? language, kind: task.kind, publicUrl },
      stopToken: stopToken(ctx.blindKey, account.id, task.kind),
    });
  }
  if (await noteReminder(tx, task.id, now)) await emit(tx, "auth", eventOf(task, "skipped", why ?? "none"));
  return null;
}

/** Why somebody is not reminded, who could be at the moment `at`; null: they are. */
function whyNot(account: Account | null, { kind, notAfter }: ReminderTask, at: Date): string | null {
  if (!account || account.disabled || !account.activated) return "no_account";
  if (account.stoppedReminders.includes(kind)) return "opted_out";
  if (!account.emailOwned) return "no_address";
  return at >= new Date(notAfter) ? "too_late" : null;
}

/** The mail of a task; reminders are made again at each try, since much may have changed. */
export const composeTask = (ctx: AuthContext, tx: Tx, task: MailTask): Promise<Mail | Date | null> =>
  task.name === "reminder" ? composeReminder(ctx, tx, task) : composeMail(ctx, tx, task);

/** Notes that the mail of a task was sent. */
export async function taskSent(ctx: AuthContext, tx: Tx, task: MailTask): Promise<void> {
  if (task.name !== "reminder") return;
  if (await noteReminder(tx, task.id, ctx.now())) await emit(tx, "auth", eventOf(task, "sent", "due"));
}

const eventOf = ({ id, userId, kind }: ReminderTask, verb: "sent" | "skipped", reason: string): NewEvent =>
  auditEvent(null, {
    type: `medvault.auth.reminder.${verb}.v1`,
    subject: `user/${userId}`,
    action: "reminder:send",
    reason,
    details: { reminder: id, kind },
  });
