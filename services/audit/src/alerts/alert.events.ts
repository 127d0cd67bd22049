import { type Actor, type AlertListQuery, auditEvent, type NewEvent } from "@medvault/contracts";
import type { Alert } from "./alert.ts";
import type { OpenedAlert } from "./rule.ts";
import { RULE_WORDS } from "./words.ts";

/** A rule fired. Whom it is about is in the alert, for those who may read alerts. */
export const alertOpened = ({ id, rule, count }: OpenedAlert): NewEvent =>
  auditEvent(null, {
    type: "medvault.audit.alert.opened.v1",
    subject: `alert/${id}`,
    action: "alert:open",
    details: { rule, severity: RULE_WORDS[rule].severity, count },
  });

/** Somebody said how far an alert was looked into; never what their note says. */
export const alertChanged = (actor: Actor, before: Alert, after: Alert, fields: string[]): NewEvent =>
  auditEvent(actor, {
    type: "medvault.audit.alert.changed.v1",
    subject: `alert/${after.id}`,
    action: "alert:write",
    fields,
    details: { rule: after.rule, before: before.state, after: after.state, rev: after.rev },
  });

export const alertRead = (actor: Actor, id: string): NewEvent =>
  auditEvent(actor, { type: "medvault.audit.alert.read.v1", subject: `alert/${id}`, action: "alert:read" });

export const alertsListed = (
  actor: Actor,
  filter: Omit<AlertListQuery, "limit" | "cursor">,
  returned: number,
): NewEvent =>
  auditEvent(actor, {
    type: "medvault.audit.alert.listed.v1",
    subject: "audit/alerts",
    action: "alert:read",
    fields: Object.entries(filter).flatMap(([name, value]) => (value === undefined ? [] : [name])),
    details: { returned },
  });
