import { auditEvent, type NewEvent } from "@medvault/contracts";
import type { Finding } from "./finding.store.ts";

/** That a row is not what the log says it was left as: an alarm. Revisions, never content. */
export function disagreesEvent({ kind, id, what, patientId, expectedRev, foundRev }: Finding): NewEvent {
  return auditEvent(null, {
    type: "medvault.records.row.disagrees.v1",
    subject: `${kind}/${id}`,
    action: "row:check",
    outcome: "failure",
    reason: what,
    patientIds: patientId === null ? [] : [patientId],
    details: { what, expectedRev, foundRev },
  });
}
