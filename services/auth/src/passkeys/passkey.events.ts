import { type Actor, auditEvent } from "@medvault/contracts";

type Done = "registered" | "confirmed" | "renamed" | "removed" | "used" | "listed" | "read";

/** The event of something done with a passkey. It never says which credential. */
export function passkeyEvent(
  actor: Actor,
  what: Done,
  subject: string,
  details?: Record<string, string | number | boolean>,
) {
  const action = what === "used" ? "use" : what === "listed" || what === "read" ? "read" : "write";
  return auditEvent(actor, {
    type: `medvault.auth.passkey.${what}.v1`,
    subject,
    action: `passkey:${action}`,
    ...(details && { details }),
  });
}
