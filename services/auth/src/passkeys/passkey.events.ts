import { type Actor, auditEvent, deniedEvent } from "@medvault/contracts";
import type { AuthContext } from "../context.ts";
import { markRecorded } from "../recorded.ts";
import { InvalidPasskey, PasskeyChallengeInvalid, PasskeyRejected } from "./passkey.errors.ts";

type Done = "registered" | "renamed" | "removed" | "used" | "listed" | "read";

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

/** Runs `work`; where a passkey is refused in it, an event says why, which the answer does not. */
export async function witnessed<T>(
  ctx: AuthContext,
  actor: Actor,
  userId: string | null,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      error instanceof InvalidPasskey ||
      error instanceof PasskeyChallengeInvalid ||
      error instanceof PasskeyRejected
    ) {
      await ctx.record(
        deniedEvent(actor, {
          type: "medvault.auth.passkey.denied.v1",
          subject: userId === null ? "user/unknown" : `user/${userId}`,
          action: "passkey:use",
          reason: error.fault,
        }),
      );
      markRecorded(error);
    }
    throw error;
  }
}
