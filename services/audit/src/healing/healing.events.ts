import { auditEvent, type NewEvent } from "@medvault/contracts";
import type { Done } from "./healing.store.ts";

/** An operator brought the log back to what was signed. */
export function logHealed(healing: string, by: string, from: number, to: number, done: Done): NewEvent {
  return auditEvent(null, {
    type: "medvault.audit.log.healed.v1",
    subject: `healing/${healing}`,
    action: "log:heal",
    reason: "operator",
    details: { by, from, to, ...done },
  });
}
