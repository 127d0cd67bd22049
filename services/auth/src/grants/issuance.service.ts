import { type Actor, auditEvent, deniedEvent, newId, type TokensView } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Account } from "../accounts/account.ts";
import { type AuthContext, actingAs, announce, type SessionEffects } from "../context.ts";
import { placeOf } from "../lockout/bucket.ts";
import type { RolePermissions } from "../roles/role.store.ts";
import { SessionLimitReached } from "../sessions/session.errors.ts";
import { endSessions, insertSession, saveUse } from "../sessions/session.store.ts";
import { newSession, type Session, surplus, touched } from "../sessions/session.ts";
import { csrfToken } from "../tokens/csrf-token.ts";
import { newOpaqueToken, type OpaqueToken } from "../tokens/opaque-token.ts";
import { insertRefreshToken } from "../tokens/refresh-token.store.ts";
import { type Admitted, admit, type Grant } from "./gate.ts";
import { GrantLocked, GrantRefused } from "./grant.errors.ts";
import { type Familiar, type FoundStanding, findStanding } from "./standing.store.ts";

/** Tokens of a full session, or of one that may do nothing but enrol a second factor. */
export type Issued =
  | { kind: "full"; session: Session; tokens: Tokens; familiar: Familiar }
  | ({ kind: "enrollment" | "confirmed" } & AccessOnly);

/** A pair. `csrfToken` is there where the session is in cookies, and only there. */
export type Tokens = TokensView & { csrfToken?: string };

/** An access token without a refresh token. */
export interface AccessOnly {
  session: Session;
  accessToken: string;
  /** Seconds. */
  expiresIn: number;
  scope: string;
  csrfToken?: string;
}

/** An access token as it is answered. */
export function accessOnly(issued: AccessOnly) {
  return {
    accessToken: issued.accessToken,
    tokenType: "Bearer" as const,
    expiresIn: issued.expiresIn,
    sessionId: issued.session.id,
    scope: issued.scope,
    ...(issued.csrfToken !== undefined && { csrfToken: issued.csrfToken }),
  };
}

/** The only permission of a session whose account still has to enrol its second factor. */
export const ENROLLMENT_SCOPE = "account:enroll:own";

/**
 * Asks the gate, with what it needs to know read in the caller's transaction. Throws as `admit` does; the event of a
 * refusal is written by `changeSessions`, once that transaction is gone.
 */
export async function passGate(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  grant: Grant,
): Promise<{ kind: Admitted; account: Account; found: FoundStanding }> {
  const session = "session" in grant ? grant.session : null;
  // A session is held by what its sign-in was held by: its owner on the move is not a stranger.
  const place = grant.account && placeOf(ctx, { ...actor, ip: session?.ip ?? actor.ip }, grant.account);
  const found = grant.account && place && (await findStanding(tx, grant.account, place, ctx.now()));
  const standing = { pv: found?.role.version ?? 0, lockedUntil: found?.lockedUntil ?? null };
  try {
    const admitted = admit(grant, standing, ctx.now());
    if (!found) throw new GrantRefused("account_gone");
    return { ...admitted, found };
  } catch (error) {
    if (error instanceof GrantRefused || error instanceof GrantLocked) {
      error.event = deniedEvent(actor, {
        type: "medvault.auth.grant.refused.v1",
        subject: session ? `session/${session.id}` : `user/${grant.account?.id ?? "unknown"}`,
        action: `grant:${grant.by}`,
        reason: error.reason,
      });
    }
    throw error;
  }
}

/** Issues what the gate lets through, with the events of it, in the caller's transaction. */
export async function issue(
  ctx: AuthContext,
  tx: Tx,
  effects: SessionEffects,
  actor: Actor,
  grant: Exclude<Grant, { by: "reset" | "invitation" }>,
): Promise<Issued> {
  const { kind, account, found } = await passGate(ctx, tx, actor, grant);
  const now = ctx.now();
  if (kind === "password") throw new GrantRefused("session_ended");
  const { role, familiar } = found;
  const issuing: Issuing = { ctx, tx, effects, actor, account, role, familiar, now };
  if (grant.by === "step_up") return reconfirm(issuing, standingOn(grant.session), grant.amr);
  if (grant.by === "refresh") return renew(issuing, standingOn(grant.session), grant.successor);
  await makeRoom(issuing, kind, found.live[kind]);
  const session = newSession(
    {
      id: newId(),
      userId: account.id,
      role: account.role,
      kind,
      transport: grant.by === "enrollment" ? standingOn(grant.session).transport : grant.transport,
      pv: role.version,
      amr: grant.amr,
      ip: actor.ip,
      userAgent: actor.userAgent,
    },
    ctx.settings,
    now,
  );
  const refresh = kind === "full" ? newOpaqueToken(ctx.settings.tokenBytes) : null;
  await insertSession(tx, ctx.keyring, found.subjectKey, session, refresh?.hash ?? null);
  effects.opened.push({ session, pv: role.version });
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
  if (!refresh) return { kind: "enrollment", session, ...accessToken(issuing, session, session.authTime) };
  return { kind: "full", session, tokens: pair(issuing, session, refresh), familiar };
}

/** What issuing needs at hand, once the gate has let a grant through. */
interface Issuing {
  ctx: AuthContext;
  tx: Tx;
  effects: SessionEffects;
  actor: Actor;
  account: Account;
  role: RolePermissions;
  familiar: Familiar;
  now: Date;
}

/** The gate lets nothing through that stands on a session which is not there. */
function standingOn(session: Session | null): Session {
  if (!session) throw new GrantRefused("session_ended");
  return session;
}

async function renew(issuing: Issuing, known: Session, successor: OpaqueToken): Promise<Issued> {
  const { ctx, tx, effects, actor, account, role, familiar, now } = issuing;
  const session = touched(known, ctx.settings.idleMs, now);
  await saveUse(tx, session);
  await insertRefreshToken(tx, successor.hash, session.id, now);
  effects.opened.push({ session, pv: role.version });
  await announce(
    tx,
    auditEvent(actingAs(actor, account, session.id), {
      type: "medvault.auth.session.refreshed.v1",
      subject: `session/${session.id}`,
      action: "session:refresh",
      reason: "refresh",
    }),
  );
  return { kind: "full", session, tokens: pair(issuing, session, successor), familiar };
}

/** A second access token of the same session, whose `auth_time` is now; the session's own stays as it was. */
async function reconfirm(issuing: Issuing, session: Session, amr: string[]): Promise<Issued> {
  const { ctx, tx, actor, account, now } = issuing;
  await announce(
    tx,
    auditEvent(actingAs(actor, account, session.id), {
      type: "medvault.auth.session.confirmed.v1",
      subject: `session/${session.id}`,
      action: "session:confirm",
      reason: "step_up",
      details: { acr: acrOf(amr) },
    }),
  );
  const lifetimeS = Math.min(
    ctx.settings.stepUpSeconds,
    Math.ceil((session.absoluteExpiresAt.getTime() - now.getTime()) / 1000),
  );
  return { kind: "confirmed", session, ...accessToken(issuing, { ...session, amr }, now, lifetimeS) };
}

/**
 * I14: over the limit the oldest ends, and an event tells of it, since it may be a stranger's sign-in that pushed it out;
 * or the sign-in is refused (SessionLimitReached), by setting. A new enrolment replaces an older one.
 */
async function makeRoom(issuing: Issuing, kind: "full" | "enrollment", live: string[]): Promise<void> {
  const { ctx, tx, effects, actor, account } = issuing;
  const over = kind === "full" && live.length >= account.maxSessions;
  const owner = actingAs(actor, account, null);
  const reached = {
    type: "medvault.auth.session.limit-reached.v1",
    subject: `user/${account.id}`,
    action: "session:start",
    reason: "session_limit",
    details: { limit: account.maxSessions },
  };
  if (over && ctx.settings.sessionLimit === "refuse") {
    throw new SessionLimitReached(deniedEvent(owner, reached));
  }
  const reason = kind === "full" ? "session_limit" : "enrollment_superseded";
  const ended = await endSessions(
    tx,
    surplus(live, kind === "full" ? account.maxSessions : 1),
    reason,
    ctx.now(),
  );
  effects.ended.push(...ended);
  if (over) await announce(tx, auditEvent(owner, reached));
  await announce(tx, ...ended.map((id) => sessionEnded(owner, id, reason)));
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

function pair(issuing: Issuing, session: Session, refresh: OpaqueToken): Tokens {
  const { idleMs, idleWarningMs } = issuing.ctx.settings;
  return {
    ...accessToken(issuing, session, session.authTime),
    refreshToken: refresh.token,
    tokenType: "Bearer",
    sessionId: session.id,
    idleTimeoutSeconds: idleMs / 1000,
    idleWarningSeconds: idleWarningMs / 1000,
    idleExpiresAt: session.idleExpiresAt.toISOString(),
    absoluteExpiresAt: session.absoluteExpiresAt.toISOString(),
  };
}

function accessToken(
  { ctx, role, now }: Issuing,
  session: Session,
  authTime: Date,
  lifetimeS: number = ctx.settings.accessTokenSeconds,
): Omit<AccessOnly, "session"> {
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
  return {
    accessToken: ctx.signer.sign(claims, lifetimeS, now),
    expiresIn: lifetimeS,
    scope,
    ...(session.transport === "cookie" && { csrfToken: csrfToken(ctx.csrfKey, session.id) }),
  };
}

/** NIST SP 800-63's authenticator assurance level. */
function acrOf(amr: readonly string[]): string {
  return amr.includes("mfa") ? "aal2" : "aal1";
}
