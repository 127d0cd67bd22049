import { type Actor, type AuditFilter, auditEvent, type NewEvent } from "@medvault/contracts";

/** What somebody did with the log. */
export type Reading = "queried" | "read" | "proved" | "counted" | "exported" | "verified" | "completeness";

/**
 * The event of a look into the log: which filters, never their values but for the patient that was asked about,
 * so that nothing a person typed gets into the log by way of a query.
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

type Details = Record<string, string | number | boolean | null>;
