import { Unauthenticated } from "@medvault/contracts";
import { AccountNotUsable } from "../accounts/account.errors.ts";
import { type Account, isUsable, mfaRequiredFor } from "../accounts/account.ts";
import { isLive, type Session } from "../sessions/session.ts";
import type { OpaqueToken } from "./opaque-token.ts";

/**
 * What asks for tokens. `account` (and `session`) were read, and locked, in the same transaction, so that nothing
 * that the gate looks at can change before the tokens exist.
 */
export type Grant =
  | { by: "password" | "totp" | "recovery_code" | "enrollment"; account: Account; amr: string[] }
  | { by: "refresh"; account: Account; session: Session; idleUntil: Date | null; successor: OpaqueToken }
  | { by: "step_up"; account: Account; session: Session; amr: string[] };

/**
 * The gate: every grant passes it, so that no path skips what another checks. Answers what kind of session the grant
 * may have. Throws AccountNotUsable (gone, disabled, no password yet, another role than the session's) or
 * Unauthenticated (the session has ended, or the second factor that the account must have was not given).
 */
export function admit(grant: Grant, now: Date): "full" | "enrollment" {
  const { account } = grant;
  if (!isUsable(account)) throw new AccountNotUsable();
  if ("session" in grant) {
    const idleUntil = grant.by === "refresh" ? grant.idleUntil : null;
    const { session } = grant;
    if (session.userId !== account.id || session.role !== account.role) throw new AccountNotUsable();
    if (session.kind !== "full" || !isLive(session, now, idleUntil)) throw new Unauthenticated();
  }
  const amr = grant.by === "refresh" ? grant.session.amr : grant.amr;
  if (account.mfaEnabled && !amr.includes("mfa")) throw new Unauthenticated();
  if (!account.mfaEnabled && mfaRequiredFor(account.role)) {
    if (grant.by !== "password") throw new Unauthenticated();
    return "enrollment";
  }
  return "full";
}
