import { auditEvent, type NewEvent } from "@medvault/contracts";
import type { WitnessFault } from "./witness.ts";

/** A witness does not cosign: it saw another history, or it has been away for long. */
export const witnessRefused = (witness: string, reason: WitnessFault, size: number): NewEvent =>
  auditEvent(null, {
    type: "medvault.audit.witness.refused.v1",
    subject: "audit/witness",
    action: "audit:cosign",
    outcome: "failure",
    reason,
    details: { witness, size },
  });
