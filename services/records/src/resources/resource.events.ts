import { type Actor, auditEvent, type NewEvent, type ResourceAction, scopeOf } from "@medvault/contracts";

export const SOURCE = "records";

export interface Act {
  /** `prescription`, and what was done: `read`. */
  noun: string;
  verb: string;
  /** Under which permission; its scope is the reason of the decision. */
  permission: ResourceAction;
  /** `prescription/<id>`; a list has none of its own. */
  subject: string;
  patientIds?: readonly string[];
  fields?: readonly string[];
  details?: Record<string, string | number | boolean | null>;
}

/** The event of something that was done: `medvault.records.<noun>.<verb>.v1`. Never a field's content. */
export function done(actor: Actor, act: Act): NewEvent {
  return auditEvent(actor, {
    type: `medvault.records.${act.noun}.${act.verb}.v1`,
    subject: act.subject,
    action: act.permission,
    reason: scopeOf(actor, act.permission) ?? "none",
    patientIds: act.patientIds ?? [],
    fields: act.fields ?? [],
    ...(act.details && { details: act.details }),
  });
}

/** What a write's event says about the box it left, so that a row rolled back is found against the log. */
export function boxDetails(rev: number, boxSha256: string): { rev: number; boxSha256: string } {
  return { rev, boxSha256 };
}
