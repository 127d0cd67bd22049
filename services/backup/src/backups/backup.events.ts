import { type Actor, auditEvent, type NewEvent } from "@medvault/contracts";

const ACTIONS = {
  requested: "backup:write",
  cancel_requested: "backup:write",
  created: "backup:write",
  read: "backup:read",
  listed: "backup:read",
  verify_requested: "backup:write",
  verified: "backup:write",
  restore_requested: "backup:restore",
  restore_preview_requested: "backup:restore",
  deleted: "backup:delete",
} as const;

interface Happened {
  readonly outcome?: "success" | "failure";
  /** A stable code: why it failed. */
  readonly reason?: string;
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}

/** No actor when the service itself found it out, no backup for a list. */
export function backupEvent(
  actor: Actor | null,
  verb: keyof typeof ACTIONS,
  backupId: string | null,
  happened: Happened = {},
): NewEvent {
  return auditEvent(actor, {
    type: `medvault.backup.backup.${verb}.v1`,
    subject: backupId ? `backup/${backupId}` : "backup",
    action: ACTIONS[verb],
    ...happened,
  });
}
