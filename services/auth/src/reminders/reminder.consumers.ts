import { type CloudEvent, ReminderCalledOff, ReminderDue } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Consumption } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { awaitReminder, callOffReminder } from "./reminder.service.ts";

const DUE = {
  "medvault.records.prescription.ending.v1": "prescriptions",
  "medvault.records.appointment.coming.v1": "appointments",
} as const;
const CALLED_OFF = [
  "medvault.records.prescription.called-off.v1",
  "medvault.records.appointment.called-off.v1",
];

export const reminderConsumers = (ctx: AuthContext): Consumption[] => [
  {
    queue: "medvault.auth.reminders",
    bindings: [...Object.keys(DUE), ...CALLED_OFF],
    allowedSources: ["records"],
    handle: (events, tx) => takeReminders(ctx, events, tx),
  },
];

/**
 * Puts what records announces in line, and takes out what it calls off. Throws for another event.
 */
export async function takeReminders(ctx: AuthContext, events: readonly CloudEvent[], tx: Tx): Promise<void> {
  for (const { type, data } of events) {
    const kind = Object.hasOwn(DUE, type) ? DUE[type as keyof typeof DUE] : null;
    if (kind === null) {
      if (!CALLED_OFF.includes(type)) throw new TypeError("an event that this queue is not bound to");
      await callOffReminder(tx, ReminderCalledOff.parse(data.details).reminder);
      continue;
    }
    const { reminder: id, recipient: userId, notAfter } = ReminderDue.parse(data.details);
    if (userId !== null) await awaitReminder(ctx, tx, { name: "reminder", id, kind, userId, notAfter });
  }
}
