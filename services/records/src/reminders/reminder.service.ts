import type { NewEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { SOURCE } from "../resources/resource.events.ts";
import { announced, withdrawn } from "./reminder.events.ts";
import {
  collectDue,
  deleteDue,
  type FoundReminder,
  saveStates,
  takeChanged,
  takeDue,
} from "./reminder.store.ts";
import { dueWindow, nextState, notAfter, REMINDER_KINDS } from "./reminder.ts";

const BATCH = 200;
/** Of each step and kind in one run: what is left is for the next. */
const MOST_BATCHES = 25;
/** What was due so long ago is over in every time zone, and comes no more. */
const OVER_MS = 3 * 86_400_000;

/**
 * Announces what is due soon, once each, to the log and to other services, and withdraws what has
 * changed since. What is over by now is not announced any more. How many were announced.
 */
export async function announceReminders(context: Context, now: Date, signal?: AbortSignal): Promise<number> {
  const { clinic, reminderDays } = context;
  let count = 0;
  for (const kind of REMINDER_KINDS) {
    const window = dueWindow(kind, now, clinic.timeZone, reminderDays);
    const endOf = ({ due }: FoundReminder) => notAfter(kind, due, clinic.timeZone);
    await inBatches(context, signal, (tx) => collectDue(tx, kind, window, BATCH));
    await inBatches(context, signal, async (tx) => {
      const found = await takeChanged(tx, kind, BATCH);
      return settle(tx, found, (reminder) => (endOf(reminder) > now ? withdrawn(kind, reminder) : []));
    });
    await inBatches(context, signal, async (tx) => {
      const found = await takeDue(tx, kind, window, BATCH);
      const due = found.filter(({ stands }) => stands);
      count += due.length;
      await emit(tx, SOURCE, ...due.flatMap((reminder) => announced(kind, reminder, endOf(reminder))));
      await saveStates(
        tx,
        found.map((one) => ({ ...one, state: one.stands ? "announced" : "gone" })),
      );
      return found.length;
    });
  }
  await inBatches(context, signal, (tx) => deleteDue(tx, new Date(now.getTime() - OVER_MS), BATCH));
  return count;
}

/** Says what became of reminders whose rows were changed. How many there were. */
async function settle(
  tx: Tx,
  found: readonly FoundReminder[],
  eventsOf: (reminder: FoundReminder) => NewEvent[],
): Promise<number> {
  const next = found.map((one) => ({ ...one, former: one.state, state: nextState(one.state, one.stands) }));
  const ended = next.filter(({ former, state }) => former === "announced" && state === "withdrawn");
  await emit(tx, SOURCE, ...ended.flatMap((one) => eventsOf({ ...one, state: one.former })));
  await saveStates(tx, next);
  return found.length;
}

/** Runs a step of a transaction each until it found less than a batch. */
async function inBatches(
  { pool }: Context,
  signal: AbortSignal | undefined,
  step: (tx: Tx) => Promise<number>,
): Promise<void> {
  for (let at = 0; at < MOST_BATCHES && !signal?.aborted; at++)
    if ((await inTransaction(pool, step)) < BATCH) return;
}
