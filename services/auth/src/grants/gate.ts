import { type Account, mfaRequiredFor } from "../accounts/account.ts";
import { isLive, type Session } from "../sessions/session.ts";
import { type GateReason, GrantLocked, GrantRefused } from "./grant.errors.ts";

/**
 * What asks for tokens, or (reset, invitation) for the password that will. `account` and `session`
 * were read, and locked, in the same transaction, or (refresh) are looked at again by the statement
 * that writes what was granted: nothing that the gate looks at can change before the tokens exist.
 */
export type Grant = SignInGrant | SessionGrant | PasswordGrant;

/** Begins a session. `pv`: the permission version at the begin of a proof of several steps. */
export interface SignInGrant {
  by: "password" | "totp" | "recovery_code" | "passkey";
  account: Account | null;
  amr: string[];
  pv: number | null;
  transport: Session["transport"];
}

/** Stands on a session. */
interface OnSession {
  account: Account | null;
  session: Session | null;
}

/** Trades a session that had to enrol a second factor for a full one. */
export interface EnrollmentGrant extends OnSession {
  by: "enrollment";
  amr: string[];
}

interface RefreshGrant extends OnSession {
  by: "refresh";
  /** Until when Redis, where the gateway notes each use, knows the session in use. */
  idleUntil: Date | null;
}

export interface StepUpGrant extends OnSession {
  by: "step_up";
  idleUntil: Date | null;
  amr: string[];
}

type SessionGrant = EnrollmentGrant | RefreshGrant | StepUpGrant;

/** Sets a password, and begins nothing. */
interface PasswordGrant {
  by: "reset" | "invitation";
  account: Account | null;
}

/** What the gate knows besides: read in the same transaction as the grant's account. */
export interface Standing {
  /** The account's role as it is now. */
  pv: number;
  /** Until when the bucket in which this client guesses is locked. */
  lockedUntil: Date | null;
}

/** What a grant may have: a session, one that may only enrol a second factor, or a new password. */
export type Admitted = "full" | "enrollment" | "password";

/**
 * The gate: every grant passes it, so that no path skips what another checks. Default is to refuse,
 * with GrantLocked or GrantRefused and the reason for the event:
 *
 * - locked: the bucket of this client (for a session: of where it began) takes no guess, so it
 *   gives nothing either.
 * - gone, disabled, not activated: of the account, as it is under lock.
 * - session ended: of the session that the grant stands on: ended, idle, over, another account's,
 *   of another kind.
 * - second factor missing: the account has one, or its role must, and the proof holds none.
 * - permission version old: for sign-ins, what the role may do changed between its first proof and
 *   its end, so it begins again. For what stands on a session, the account has another role than
 *   the session. A role's own change ends no session; its next tokens carry the present version. A
 *   reset or invitation gives no permission at all.
 */
export function admit(grant: Grant, standing: Standing, now: Date): { kind: Admitted; account: Account } {
  const { account } = grant;
  if (!account) throw new GrantRefused("account_gone");
  if (account.disabled) throw new GrantRefused("account_disabled");
  const lockedMs = standing.lockedUntil ? standing.lockedUntil.getTime() - now.getTime() : 0;
  if (lockedMs > 0) throw new GrantLocked(Math.ceil(lockedMs / 1000));
  if (!("session" in grant) && !("amr" in grant)) return { kind: "password", account };
  if (!account.activated || account.passwordHash === null) throw new GrantRefused("account_not_activated");
  if ("session" in grant) {
    const fault = sessionFault(grant, account, standing, now);
    if (fault) throw new GrantRefused(fault);
  } else if (grant.pv !== null && grant.pv !== standing.pv) throw new GrantRefused("permissions_changed");
  const amr = grant.by === "refresh" ? (grant.session?.amr ?? []) : grant.amr;
  if (account.mfaEnabled && !amr.includes("mfa")) throw new GrantRefused("second_factor_missing");
  if (!account.mfaEnabled && mfaRequiredFor(account.role)) {
    if (grant.by !== "password") throw new GrantRefused("second_factor_missing");
    return { kind: "enrollment", account };
  }
  return { kind: "full", account };
}

function sessionFault(
  grant: SessionGrant,
  account: Account,
  standing: Standing,
  now: Date,
): GateReason | null {
  const { session } = grant;
  if (!session || session.userId !== account.id) return "session_ended";
  if (session.kind !== (grant.by === "enrollment" ? "enrollment" : "full")) return "session_ended";
  if (!isLive(session, now, "idleUntil" in grant ? grant.idleUntil : null)) return "session_ended";
  if (session.role !== account.role) return "role_changed";
  // An enrolment ends a sign-in that began with the session.
  const stale = grant.by === "enrollment" && session.pv !== null && session.pv !== standing.pv;
  return stale ? "permissions_changed" : null;
}
