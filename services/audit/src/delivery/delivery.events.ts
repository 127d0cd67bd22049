import {
  type Actor,
  ALERT_ANNOUNCED,
  type AlertAnnouncement,
  auditEvent,
  failedEvent,
  type NewEvent,
} from "@medvault/contracts";
import type { WaitingDelivery } from "./delivery.store.ts";
import type { AlertNotice, Change } from "./delivery.ts";

/** Tells auth, which sends the mails. */
export function alertAnnounced(notice: AlertNotice, change: Change): NewEvent {
  const { id, rule, severity, state, openedAt, count } = notice;
  const details: AlertAnnouncement = { change, rule, severity, state, openedAt, count };
  return auditEvent(null, {
    type: ALERT_ANNOUNCED,
    subject: `alert/${id}`,
    action: "alert:send",
    details,
    audience: "domain",
  });
}

/** Nobody took it, and it is not tried again: `reason` says why the last try failed. */
export function deliveryGivenUp(
  { id, alertId, change, channel, attempts }: WaitingDelivery,
  reason: string,
): NewEvent {
  return failedEvent(null, {
    type: "medvault.audit.alert.undelivered.v1",
    subject: `alert/${alertId}`,
    action: "alert:send",
    reason,
    details: { delivery: id, change, channel, attempts },
  });
}

/** Someone sent a test by all channels; `outcomes` says by channel what came of it. */
export function channelsTested(actor: Actor, testId: string, outcomes: Record<string, string>): NewEvent {
  return auditEvent(actor, {
    type: "medvault.audit.alert.tested.v1",
    subject: `alert/${testId}`,
    action: "alert:test",
    details: outcomes,
  });
}
