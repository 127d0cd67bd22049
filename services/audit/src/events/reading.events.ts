import { type Actor, type AuditFilter, auditEvent, type NewEvent } from "@medvault/contracts";

/** How the log was read. */
export type Reading =
  | "queried"
  | "read"
  | "proved"
  | "counted"
  | "exported"
  | "streamed"
  | "stream-ended"
  | "verified"
  | "completeness";

type Details = Record<string, string | number | boolean | null>;

/**
 * The event of a reading of the log: which filters were used, and never their values but for the
 * patient that was asked about, so that nothing that a person typed gets into the log by a query.
 */
export function readingEvent(
  actor: Actor,
  reading: Reading,
  about: { subject?: string; filter?: AuditFilter; patientIds?: readonly string[]; details?: Details },
): NewEvent {
  const filter = about.filter ?? {};
  const patientIds = filter.patientId === undefined ? (about.patientIds ?? []) : [filter.patientId];
  return auditEvent(actor, {
    type: `medvault.audit.log.${reading}.v1`,
    subject: about.subject ?? "audit/log",
    action: reading === "verified" ? "audit:verify" : "audit:read",
    patientIds,
    fields: Object.keys(filter).filter((name) => filter[name as keyof AuditFilter] !== undefined),
    details: about.details ?? {},
  });
}
