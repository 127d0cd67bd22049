import type { AccessClaims } from "./access-token.ts";
import type { AuthClient } from "./auth.client.ts";
import { SessionEnded, TokenRefused } from "./identity.errors.ts";
import {
  bindingViolation,
  type CachedSession,
  type LiveSession,
  type SessionUse,
  type SignedIn,
} from "./session.ts";

const ENROLL_SCOPE = "account:enroll:own";

/**
 * The session behind a verified token, with what its role may do at this moment: a token's own
 * permissions count only until the role changes. `cached` is what Redis said of it. Throws
 * SessionEnded (also when this client violates a binding that auth enforces), TokenRefused for a
 * token that came by another transport than it was issued for, or Unavailable when Redis does not
 * know the session and auth does not answer.
 */
export async function resolveSession(
  auth: AuthClient,
  claims: AccessClaims,
  cached: CachedSession,
  use: SessionUse,
): Promise<SignedIn> {
  if (cached.state === "ended") throw new SessionEnded();
  const session: LiveSession =
    cached.state === "live"
      ? { ...cached, role: claims.role, scope: cached.scope ?? claims.scope }
      : await introspected(auth, claims.sid);
  if (session.sub !== claims.sub || session.role !== claims.role) throw new SessionEnded();
  if (session.transport !== use.transport) throw new TokenRefused();
  const violation = bindingViolation(session, use);
  if (violation === "watch") auth.noteViolation(claims.sid, use);
  // Nothing goes on until auth has decided; it may have changed the setting since.
  if (violation === "enforce" && (await auth.reportViolation(claims.sid, use))) throw new SessionEnded();
  const enrollment = session.enroll || claims.scope === ENROLL_SCOPE;
  return {
    sub: claims.sub,
    sid: claims.sid,
    role: claims.role,
    scope: enrollment ? ENROLL_SCOPE : session.scope,
    authTime: claims.auth_time,
    amr: claims.amr,
    enrollment,
    transport: session.transport,
    csrf: session.csrf,
    claims,
  };
}

async function introspected(auth: AuthClient, sid: string): Promise<LiveSession> {
  const found = await auth.introspect(sid);
  if (!found || Date.now() >= Math.min(found.idleEnd, found.absEnd)) throw new SessionEnded();
  return { ...found, enroll: found.enroll === "1" };
}
