import { type Actor, auditEvent, newId, type TokensView } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Account } from "../accounts/account.ts";
import { type AuthContext, actingAs, announce, type SessionEffects } from "../context.ts";
import { getRole } from "../roles/role.store.ts";
import { insertRefreshToken } from "../sessions/refresh-token.store.ts";
import { endSessions, insertSession, saveUse, unendedSessionIds } from "../sessions/session.store.ts";
import { newSession, type Session, surplus, touched } from "../sessions/session.ts";
import { admit, type Grant } from "./gate.ts";
import { newOpaqueToken, type OpaqueToken } from "./opaque-token.ts";

/** Tokens of a full session, or of one that may do nothing but enrol a second factor. */
export type Issued =
  | { kind: "full"; session: Session; tokens: TokensView }
  | ({ kind: "enrollment" | "confirmed" } & AccessOnly);

/** An access token without a refresh token. */
export interface AccessOnly {
  session: Session;
  accessToken: string;
  /** Seconds. */
  expiresIn: number;
  scope: string;
}

/** The only permission of a session whose account still has to enrol its second factor. */
export const ENROLLMENT_SCOPE = "account:enroll:own";

/** Issues what the gate lets through, with the events of it, in the caller's transaction. */
export async function issue(
  ctx: AuthContext,
  tx: Tx,
  effects: SessionEffects,
  actor: Actor,
  grant: Grant,
): Promise<Issued> {
  const now = ctx.now();
  const kind = admit(grant, now);
  const { account } = grant;
  if (grant.by === "step_up") return reconfirm(ctx, tx, actor, grant, now);
  if (grant.by === "refresh") return renew(ctx, tx, effects, actor, grant, now);
  await makeRoom(ctx, tx, effects, actor, account, kind);
  const session = newSession(
    {
      id: newId(),
      userId: account.id,
      role: account.role,
      kind,
      amr: grant.amr,
      ip: actor.ip,
      userAgent: actor.userAgent,
    },
    ctx.settings,
    now,
  );
  await insertSession(tx, ctx.keyring, session);
  effects.opened.push(session);
  await announce(
    tx,
    auditEvent(actingAs(actor, account, session.id), {
      type: "medvault.auth.session.started.v1",
      subject: `session/${session.id}`,
      action: "session:start",
      reason: grant.by,
      details: { kind, acr: acrOf(grant.amr) },
    }),
  );
  if (kind === "enrollment") {
    const { token, expiresIn, scope } = await accessToken(ctx, tx, session, session.authTime, now);
    return { kind, session, accessToken: token, expiresIn, scope };
  }
  const refresh = newOpaqueToken();
  await insertRefreshToken(tx, refresh.hash, session.id, now);
  return { kind, session, tokens: await pair(ctx, tx, session, refresh, now) };
}

async function renew(
  ctx: AuthContext,
  tx: Tx,
  effects: SessionEffects,
  actor: Actor,
  grant: Extract<Grant, { by: "refresh" }>,
  now: Date,
): Promise<Issued> {
  const session = touched(grant.session, ctx.settings.idleMs, now);
  await saveUse(tx, session);
  await insertRefreshToken(tx, grant.successor.hash, session.id, now);
  effects.opened.push(session);
  await announce(
    tx,
    auditEvent(actingAs(actor, grant.account, session.id), {
      type: "medvault.auth.session.refreshed.v1",
      subject: `session/${session.id}`,
      action: "session:refresh",
      reason: "refresh",
    }),
  );
  return { kind: "full", session, tokens: await pair(ctx, tx, session, grant.successor, now) };
}

/** A second access token of the same session, whose `auth_time` is now; the session's own stays as it was. */
async function reconfirm(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  grant: Extract<Grant, { by: "step_up" }>,
  now: Date,
): Promise<Issued> {
  const { session } = grant;
  await announce(
    tx,
    auditEvent(actingAs(actor, grant.account, session.id), {
      type: "medvault.auth.session.confirmed.v1",
      subject: `session/${session.id}`,
      action: "session:confirm",
      reason: "step_up",
      details: { acr: acrOf(grant.amr) },
    }),
  );
  const lifetimeS = Math.min(
    ctx.settings.stepUpSeconds,
    Math.ceil((session.absoluteExpiresAt.getTime() - now.getTime()) / 1000),
  );
  const confirmed = { ...session, amr: grant.amr };
  const { token, expiresIn, scope } = await accessToken(ctx, tx, confirmed, now, now, lifetimeS);
  return { kind: "confirmed", session, accessToken: token, expiresIn, scope };
}

/** I14: over the limit the oldest ends. A new enrolment replaces an older one. */
async function makeRoom(
  ctx: AuthContext,
  tx: Tx,
  effects: SessionEffects,
  actor: Actor,
  account: Account,
  kind: "full" | "enrollment",
): Promise<void> {
  const live = await unendedSessionIds(tx, account.id, kind);
  const reason = kind === "full" ? "session_limit" : "enrollment_superseded";
  const ended = await endSessions(
    tx,
    surplus(live, kind === "full" ? account.maxSessions : 1),
    reason,
    ctx.now(),
  );
  effects.ended.push(...ended);
  await announce(tx, ...ended.map((id) => sessionEnded(actingAs(actor, account, null), id, reason)));
}

/** The event of a session's end. */
export function sessionEnded(actor: Actor | null, sessionId: string, reason: string) {
  return auditEvent(actor, {
    type: "medvault.auth.session.ended.v1",
    subject: `session/${sessionId}`,
    action: "session:end",
    reason,
  });
}

async function pair(
  ctx: AuthContext,
  tx: Tx,
  session: Session,
  refresh: OpaqueToken,
  now: Date,
): Promise<TokensView> {
  const { token, expiresIn, scope } = await accessToken(ctx, tx, session, session.authTime, now);
  return {
    accessToken: token,
    refreshToken: refresh.token,
    tokenType: "Bearer",
    expiresIn,
    sessionId: session.id,
    scope,
    idleExpiresAt: session.idleExpiresAt.toISOString(),
    absoluteExpiresAt: session.absoluteExpiresAt.toISOString(),
  };
}

async function accessToken(
  ctx: AuthContext,
  tx: Tx,
  session: Session,
  authTime: Date,
  now: Date,
  lifetimeS: number = ctx.settings.accessTokenSeconds,
): Promise<{ token: string; expiresIn: number; scope: string }> {
  const role = await getRole(tx, session.role);
  const scope = session.kind === "enrollment" ? ENROLLMENT_SCOPE : role.permissions.join(" ");
  const claims = {
    sub: session.userId,
    sid: session.id,
    role: session.role,
    scope,
    amr: session.amr,
    acr: acrOf(session.amr),
    auth_time: Math.floor(authTime.getTime() / 1000),
    pv: role.version,
  };
  return { token: ctx.signer.sign(claims, lifetimeS, now), expiresIn: lifetimeS, scope };
}

/** NIST SP 800-63's authenticator assurance level. */
function acrOf(amr: readonly string[]): string {
  return amr.includes("mfa") ? "aal2" : "aal1";
}
