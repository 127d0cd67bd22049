import type { Db, Tx } from "@medvault/postgres";

/** Notes that a reminder was sent, or that there is nobody to send it to. False: it was before. */
export async function noteReminder(tx: Tx, id: string, now: Date): Promise<boolean> {
  const { rowCount } = await tx.query(
    "insert into reminders (id, done_at) values ($1, $2) on conflict do nothing",
    [id, now],
  );
  return rowCount === 1;
}

/** Whether a reminder is done with. */
export async function isReminderDone(tx: Tx, id: string): Promise<boolean> {
  const { rowCount } = await tx.query("select from reminders where id = $1", [id]);
  return rowCount === 1;
}

/** Deletes what was done with before a moment. */
export async function deleteReminders(db: Db, before: Date): Promise<void> {
  await db.query("delete from reminders where done_at < $1", [before]);
}
