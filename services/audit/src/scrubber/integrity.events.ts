import { auditEvent, INTEGRITY_FAILED, type NewEvent } from "@medvault/contracts";
import type { Finding } from "./finding.ts";

/** What was found, and from which entry on; never what an entry says. */
export function integrityFailed({ fault, index }: Finding): NewEvent {
  return auditEvent(null, {
    type: INTEGRITY_FAILED,
    subject: "audit/log",
    action: "audit:verify",
    outcome: "failure",
    reason: fault,
    details: { index },
  });
}
