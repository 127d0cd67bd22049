import { auditEvent, type NewEvent } from "@medvault/contracts";
import type { IndexRange } from "./partition.store.ts";

/** The bodies of entries `from` up to, not including, `to` were dropped: their time was over. */
export function logRetired({ from, to }: IndexRange): NewEvent {
  return auditEvent(null, {
    type: "medvault.audit.log.retired.v1",
    subject: "audit/log",
    action: "audit:retire",
    details: { from, to, count: to - from },
  });
}
