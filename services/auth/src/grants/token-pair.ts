import type { TokensView } from "@medvault/contracts";
import type { AuthContext } from "../context.ts";
import type { RolePermissions } from "../roles/role.store.ts";
import { type Session, scopeOfSession } from "../sessions/session.ts";
import { csrfToken } from "../tokens/csrf-token.ts";

/** A pair. `csrfToken` is there where the session is in cookies, and only there. */
export type Tokens = TokensView & { csrfToken?: string };

/** An access token without a refresh token, as it is answered. */
export type AccessOnly = Pick<
  Tokens,
  "accessToken" | "tokenType" | "expiresIn" | "sessionId" | "scope" | "csrfToken"
>;

/** An access token with the refresh token of its session. */
export function pair(ctx: AuthContext, session: Session, access: AccessOnly, refreshToken: string): Tokens {
  const { idleMs, idleWarningMs } = ctx.settings;
  return {
    ...access,
    refreshToken,
    idleTimeoutSeconds: idleMs / 1000,
    idleWarningSeconds: idleWarningMs / 1000,
    idleExpiresAt: session.idleExpiresAt.toISOString(),
    absoluteExpiresAt: session.absoluteExpiresAt.toISOString(),
  };
}

/** A signed access token of the session, with what its role may do now. */
export function accessToken(
  ctx: AuthContext,
  session: Session,
  role: RolePermissions,
  lifetimeS: number = ctx.settings.accessTokenSeconds,
): AccessOnly {
  const scope = scopeOfSession(session, role.permissions);
  const claims = {
    sub: session.userId,
    sid: session.id,
    role: session.role,
    scope,
    amr: session.amr,
    acr: acrOf(session.amr),
    auth_time: Math.floor(session.authTime.getTime() / 1000),
    pv: role.version,
  };
  return {
    accessToken: ctx.signer.sign(claims, lifetimeS, ctx.now()),
    tokenType: "Bearer",
    expiresIn: lifetimeS,
    sessionId: session.id,
    scope,
    ...(session.transport === "cookie" && { csrfToken: csrfToken(ctx.csrfKey, session.id) }),
  };
}

/** NIST SP 800-63's authenticator assurance level. */
export function acrOf(amr: readonly string[]): string {
  return amr.includes("mfa") ? "aal2" : "aal1";
}
