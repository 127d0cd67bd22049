import { auditEvent, type NewEvent } from "@medvault/contracts";
import type { RefusalCode } from "./writer.errors.ts";

/** The writer stopped: the log and the store outside do not agree. */
export function writerRefused(code: RefusalCode): NewEvent {
  return auditEvent(null, {
    type: "medvault.audit.writer.refused.v1",
    subject: "audit/writer",
    action: "audit:append",
    outcome: "failure",
    reason: code,
  });
}
