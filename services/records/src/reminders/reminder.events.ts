import { auditEvent, type NewEvent } from "@medvault/contracts";
import type { FoundReminder } from "./reminder.store.ts";
import type { ReminderKind } from "./reminder.ts";

const ANNOUNCED = { prescription: "end-announced", appointment: "start-announced" } as const;
const COMES = { prescription: "ending", appointment: "coming" } as const;

const common = (kind: ReminderKind, { rowId, patientId }: FoundReminder) => ({
  subject: `${kind}/${rowId}`,
  patientIds: patientId === null ? [] : [patientId],
  action: `${kind}:remind`,
  reason: "due",
});

/**
 * That something is due soon: for the log, and for other services. `notAfter` says until when it is
 * of use, in no log; `recipient` the patient's account, if there is one.
 */
export function announced(kind: ReminderKind, reminder: FoundReminder, notAfter: Date): NewEvent[] {
  const shared = common(kind, reminder);
  const { id, userId } = reminder;
  return [
    auditEvent(null, {
      ...shared,
      type: `medvault.records.${kind}.${ANNOUNCED[kind]}.v1`,
      details: { reminder: id, recipient: userId === null ? "none" : "account" },
    }),
    auditEvent(null, {
      ...shared,
      type: `medvault.records.${kind}.${COMES[kind]}.v1`,
      details: { reminder: id, recipient: userId, notAfter: notAfter.toISOString() },
      audience: "domain",
    }),
  ];
}

/** That what was announced was stopped, moved, cancelled or deleted. */
export function withdrawn(kind: ReminderKind, reminder: FoundReminder): NewEvent[] {
  const shared = { ...common(kind, reminder), reason: "changed", details: { reminder: reminder.id } };
  return [
    auditEvent(null, { ...shared, type: `medvault.records.${kind}.announcement-withdrawn.v1` }),
    auditEvent(null, { ...shared, type: `medvault.records.${kind}.called-off.v1`, audience: "domain" }),
  ];
}
