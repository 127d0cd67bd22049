import { type Actor, type AuditEventView, Forbidden, scopeOf } from "@medvault/contracts";
import type { BodySeal } from "../log/body-seal.ts";
import { eventOf } from "../log/entry.ts";
import type { LogRow } from "../log/log.store.ts";

/**
 * Patients hold audit:read for the history of their own record (my-access) alone; the log itself
 * needs the scope any. @throws Forbidden
 */
export function requireWholeLog(actor: Actor): void {
  if (scopeOf(actor, "audit:read") !== "any") throw new Forbidden();
}

/**
 * A row as the API shows it: from the sealed body when that gives the row's leaf, and otherwise
 * marked as damaged, with nothing of what the body might claim.
 */
export function viewOf(seal: BodySeal, row: LogRow): AuditEventView {
  const body = seal.open(row.idx, row.id, row.sealed);
  const event = body === null ? null : eventOf(body, row.leaf);
  const known = {
    id: row.id,
    index: row.idx,
    time: new Date(row.occurredAt).toISOString(),
    type: row.type,
    producer: row.producer,
  };
  if (event === null || event.id.toLowerCase() !== row.id) return { ...known, ...NOTHING };
  const { data } = event;
  return {
    ...known,
    time: event.time,
    type: event.type,
    actor: data.actor,
    patientId: data.patientIds[0] ?? null,
    patientIds: data.patientIds,
    subject: event.subject,
    action: data.action,
    outcome: data.outcome,
    purpose: data.purpose,
    ip: data.from?.ip ?? null,
    userAgent: data.from?.userAgent ?? null,
    requestId: event.requestid ?? null,
    fields: data.fields,
    details: data.details ?? {},
    decision: data.decision,
    damaged: false,
  };
}

const NOTHING = {
  actor: null,
  patientId: null,
  patientIds: [],
  subject: null,
  action: null,
  outcome: null,
  purpose: null,
  ip: null,
  userAgent: null,
  requestId: null,
  fields: [],
  details: {},
  decision: null,
  damaged: true,
} satisfies Partial<AuditEventView>;
