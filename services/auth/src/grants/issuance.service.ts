import { type Actor, auditEvent, deniedEvent, newId, Unauthenticated } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Tx } from "@medvault/postgres";
import { type Account, actingAs } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { type Place, placeOf } from "../lockout/bucket.ts";
import type { Attempt } from "../lockout/lockout.service.ts";
import { spendRefreshToken } from "../sessions/refresh-token.store.ts";
import { SessionLimitReached, withEvent } from "../sessions/session.errors.ts";
import { endSessions, refusing } from "../sessions/session.service.ts";
import { insertSession, saveUse } from "../sessions/session.store.ts";
import { newSession, type Session, type SessionChange, surplus, touched } from "../sessions/session.ts";
import { newOpaqueToken } from "../tokens/opaque-token.ts";
import {
  type Admitted,
  admit,
  type EnrollmentGrant,
  type Grant,
  type SignInGrant,
  type StepUpGrant,
} from "./gate.ts";
import { GrantLocked, GrantRefused } from "./grant.errors.ts";
import { type FoundStanding, findStanding } from "./standing.store.ts";
import { type AccessOnly, accessToken, acrOf, pair, type Tokens } from "./token-pair.ts";

/** Tokens of a full session, or of one that may do nothing but enrol a second factor. */
export type Started = { kind: "full"; tokens: Tokens } | { kind: "enrollment"; tokens: AccessOnly };

/**
 * Asks the gate, with what it needs to know read in the caller's transaction. Throws as `admit`
 * does; the event of a refusal is written by `changeSessions`.
 */
export async function passGate(
  ctx: AuthContext,
  tx: Tx,
  actor: Actor,
  grant: Grant,
  at?: Place,
): Promise<{ kind: Admitted; account: Account; found: FoundStanding }> {
  const session = "session" in grant ? grant.session : null;
  const place = at ?? (grant.account && placeOf(ctx, cameFrom(actor, session), grant.account));
  const found = grant.account && place && (await findStanding(tx, ctx, grant.account.id, place, ctx.now()));
  return judge(ctx, actor, grant, found);
}

/** A session is held by what its sign-in was held by: its owner on the move is not a stranger. */
function cameFrom(actor: Actor, session: Session | null): Actor {
  return { ...actor, ip: session?.ip ?? actor.ip };
}

/** Asks the gate. Throws as `admit` does, with the event of it for `refusing`. */
function judge(
  ctx: AuthContext,
  actor: Actor,
  grant: Grant,
  found: FoundStanding | null,
): { kind: Admitted; account: Account; found: FoundStanding } {
  const session = "session" in grant ? grant.session : null;
  const standing = { pv: found?.role.version ?? 0, lockedUntil: found?.lockedUntil ?? null };
  try {
    const admitted = admit(grant, standing, ctx.now());
    if (!found) throw new GrantRefused("account_gone");
    return { ...admitted, found };
  } catch (error) {
    if (!(error instanceof GrantRefused || error instanceof GrantLocked)) throw error;
    throw withEvent(
      error,
      deniedEvent(actor, {
        type: "medvault.auth.grant.refused.v1",
        subject: session ? `session/${session.id}` : `user/${grant.account?.id ?? "unknown"}`,
        action: `grant:${grant.by}`,
        reason: error.reason,
      }),
    );
  }
}

/**
 * Begins a session where the gate lets the grant through, with the events of it, and with what the
 * attempt that ends with a full one leaves.
 */
export async function startSession(
  ctx: AuthContext,
  change: SessionChange,
  actor: Actor,
  grant: SignInGrant | EnrollmentGrant,
  attempt?: Attempt,
): Promise<Started> {
  const { kind, account, found } = await passGate(ctx, change.tx, actor, grant, attempt?.place);
  if (kind === "password") throw new GrantRefused("session_ended");
  await makeRoom(ctx, change, actor, account, kind, found.live[kind]);
  const session = newSession(
    {
      id: newId(),
      userId: account.id,
      role: account.role,
      kind,
      transport: grant.by === "enrollment" ? standingOn(grant).transport : grant.transport,
      pv: found.role.version,
      amr: grant.amr,
      ip: actor.ip,
      userAgent: actor.userAgent,
    },
    ctx.settings,
    ctx.now(),
  );
  const refresh = kind === "full" ? newOpaqueToken(ctx.settings.tokenBytes) : null;
  const details = { kind, acr: acrOf(grant.amr) };
  const started = sessionEvent(actor, session, "started", "start", { reason: grant.by, details });
  const completion = refresh && (await attempt?.completed(change.tx, account, found.familiar));
  await insertSession(change.tx, ctx.keyring, found.subjectKey, session, {
    refreshHash: refresh?.hash ?? null,
    success: completion?.success ?? null,
    events: [started, ...(completion?.events ?? [])],
  });
  change.opened.push({ session, pv: found.role.version });
  const access = accessToken(ctx, session, found.role);
  if (!refresh) return { kind: "enrollment", tokens: access };
  const tokens = { ...pair(ctx, session, access, refresh.token), ...completion?.answer };
  return { kind: "full", tokens };
}

/** The end of a sign-in: a full session, whose device is known from now on. */
export async function completeSignIn(
  ctx: AuthContext,
  change: SessionChange,
  actor: Actor,
  grant: SignInGrant & { account: Account },
  attempt: Attempt,
): Promise<Tokens> {
  const started = await startSession(ctx, change, actor, grant, attempt);
  if (started.kind !== "full") throw new Unauthenticated();
  return started.tokens;
}

/**
 * A new pair for a session, for which a refresh token is spent; null where it was spent meanwhile,
 * the session has ended or the account has changed. Two statements, no transaction: the second
 * looks again at what the gate has looked at.
 */
export async function renewSession(
  ctx: AuthContext,
  actor: Actor,
  standing: Session,
  spent: { hash: Buffer; usedBy: Buffer },
): Promise<Tokens | null> {
  const { id, userId } = standing;
  const place = placeOf(ctx, cameFrom(actor, standing), { id: userId });
  const [idleUntil, known] = await Promise.all([
    ctx.cache.idleUntil(id),
    findStanding(ctx.pool, ctx, userId, place, ctx.now()),
  ]);
  const grant = { by: "refresh" as const, account: known?.account() ?? null, session: standing, idleUntil };
  const { account, found } = await refusing(ctx, async () => judge(ctx, actor, grant, known));
  const session = touched(standing, ctx.settings.idleMs, ctx.now());
  const successor = newOpaqueToken(ctx.settings.tokenBytes);
  const spending = { ...spent, successor: successor.hash, accountRev: account.rev };
  const event = sessionEvent(actor, session, "refreshed", "refresh", { reason: "refresh" });
  if (!(await spendRefreshToken(ctx.pool, spending, session, event))) return null;
  await ctx.cache.apply({ opened: [{ session, pv: found.role.version }], ended: [] });
  return pair(ctx, session, accessToken(ctx, session, found.role), successor.token);
}

/**
 * Another access token of the session, whose `auth_time` is now; the session's own stays. It is a
 * use of the session like a refresh: its token lives longer than others, so Postgres must know.
 */
export async function confirmSession(
  ctx: AuthContext,
  change: SessionChange,
  actor: Actor,
  grant: StepUpGrant,
): Promise<AccessOnly> {
  const { found } = await passGate(ctx, change.tx, actor, grant);
  const session = touched(standingOn(grant), ctx.settings.idleMs, ctx.now());
  await saveUse(change.tx, session);
  change.opened.push({ session, pv: found.role.version });
  const details = { acr: acrOf(grant.amr) };
  await emit(
    change.tx,
    "auth",
    sessionEvent(actor, session, "confirmed", "confirm", { reason: "step_up", details }),
  );
  const leftMs = session.absoluteExpiresAt.getTime() - ctx.now().getTime();
  const lifetimeS = Math.min(ctx.settings.stepUpSeconds, Math.ceil(leftMs / 1000));
  return accessToken(ctx, { ...session, amr: grant.amr, authTime: ctx.now() }, found.role, lifetimeS);
}

/** The gate lets nothing through that stands on a session which is not there. */
function standingOn({ session }: { session: Session | null }): Session {
  if (!session) throw new GrantRefused("session_ended");
  return session;
}

/**
 * I14: over the limit the oldest ends, and an event says so, since it may be a stranger's sign-in
 * that pushed it out; or the sign-in is refused (SessionLimitReached), by setting. A new enrolment
 * replaces an older one.
 */
async function makeRoom(
  ctx: AuthContext,
  change: SessionChange,
  actor: Actor,
  account: Account,
  kind: "full" | "enrollment",
  live: string[],
): Promise<void> {
  const owner = actingAs(actor, account, null);
  if (kind === "enrollment") return endSessions(ctx, change, owner, live, "enrollment_superseded");
  if (live.length >= account.maxSessions) {
    const reached = {
      type: "medvault.auth.session.limit-reached.v1",
      subject: `user/${account.id}`,
      action: "session:start",
      reason: "session_limit",
      details: { limit: account.maxSessions },
    };
    if (ctx.settings.sessionLimit === "refuse") {
      throw withEvent(new SessionLimitReached(), deniedEvent(owner, reached));
    }
    await emit(change.tx, "auth", auditEvent(owner, reached));
  }
  await endSessions(ctx, change, owner, surplus(live, account.maxSessions), "session_limit");
}

/** Of something that happened to a session, by its own user. */
function sessionEvent(
  actor: Actor,
  session: Session,
  what: string,
  action: string,
  input: { reason: string; details?: Record<string, string> },
) {
  return auditEvent(actingAs(actor, { id: session.userId, role: session.role }, session.id), {
    type: `medvault.auth.session.${what}.v1`,
    subject: `session/${session.id}`,
    action: `session:${action}`,
    ...input,
  });
}
