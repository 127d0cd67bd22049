import { auditEvent, type NewEvent } from "@medvault/contracts";

/** No actor: the service renews keysets by itself. */
export function keysetRenewed(backupId: string, details: Record<string, string | number>): NewEvent {
  return auditEvent(null, {
    type: "medvault.backup.backup.keyset_renewed.v1",
    subject: `backup/${backupId}`,
    action: "backup:write",
    details,
  });
}
