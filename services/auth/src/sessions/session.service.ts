import { type Actor, auditEvent, type IntrospectionView, NotFound } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import { findAccount } from "../accounts/account.store.ts";
import { isUsable } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { getRole } from "../roles/role.store.ts";
import { eventOf } from "./session.errors.ts";
import {
  findSession,
  listLiveSessions,
  lockSession,
  markEnded,
  markEndedOf,
  type SessionFilter,
} from "./session.store.ts";
import {
  type EndReason,
  isLive,
  type Session,
  type SessionChange,
  type SessionEffects,
  scopeOfSession,
} from "./session.ts";
import { addressBinding, agentBinding } from "./session-binding.ts";
import { cachedSession } from "./session-cache.store.ts";

/**
 * Runs `work` in a transaction, then brings Redis to what it committed, and only then resolves:
 * anyone who was answered that a session has ended can rely on it. A refusal that was given an
 * event (`withEvent`) leaves it once the transaction is rolled back. Throws Unavailable when Redis
 * could not learn of an end.
 */
export async function changeSessions<T>(
  ctx: Pick<AuthContext, "pool" | "cache" | "refuse">,
  work: (change: SessionChange) => Promise<T>,
): Promise<T> {
  let effects: SessionEffects = { opened: [], ended: [] };
  const result = await refusing(ctx, () =>
    inTransaction(ctx.pool, (tx) => {
      const change = { tx, opened: [], ended: [] };
      effects = change; // a retried transaction begins again
      return work(change);
    }),
  );
  await ctx.cache.apply(effects);
  return result;
}

/** Runs `work`; a refusal of it that was given an event (`withEvent`) leaves it. */
export async function refusing<T>(ctx: Pick<AuthContext, "refuse">, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const event = error instanceof Error ? eventOf(error) : undefined;
    if (event) return ctx.refuse(error as Error, event);
    throw error;
  }
}

/** Ends these sessions, with an event for each that had not ended yet. */
export async function endSessions(
  ctx: Pick<AuthContext, "now">,
  change: SessionChange,
  actor: Actor | null,
  ids: readonly string[],
  reason: EndReason,
): Promise<void> {
  const ended = await markEnded(change.tx, ids, reason, ctx.now());
  change.ended.push(...ids);
  await emit(change.tx, "auth", ...ended.map((id) => sessionEnded(actor, id, reason)));
}

/** Ends every session of a user but `except`, with an event for each. */
export async function endSessionsOf(
  ctx: Pick<AuthContext, "now">,
  change: SessionChange,
  actor: Actor | null,
  { userId, except, reason }: { userId: string; except: string | null; reason: EndReason },
): Promise<void> {
  const ended = await markEndedOf(change.tx, userId, except, reason, ctx.now());
  change.ended.push(...ended);
  await emit(change.tx, "auth", ...ended.map((id) => sessionEnded(actor, id, reason)));
}

function sessionEnded(actor: Actor | null, sessionId: string, reason: EndReason) {
  return auditEvent(actor, {
    type: "medvault.auth.session.ended.v1",
    subject: `session/${sessionId}`,
    action: "session:end",
    reason,
  });
}

/** Live sessions, newest first, with the uses that Redis knows of; leaves an event. */
export async function viewSessions(
  ctx: AuthContext,
  actor: Actor,
  filter: SessionFilter,
): Promise<Session[]> {
  const stored = await listLiveSessions(ctx.pool, ctx.keyring, filter, ctx.now());
  await ctx.record(
    auditEvent(actor, {
      type: "medvault.auth.session.listed.v1",
      subject: filter.userId === null ? "sessions" : `user/${filter.userId}`,
      action: "session:read",
      reason: filter.userId === actor.id ? "own" : "any",
      details: { count: stored.length },
    }),
  );
  return Promise.all(stored.map((session) => withPresentUse(ctx, session)));
}

/** The session as it is now, or null when there is none that lives. */
export async function currentSession(ctx: AuthContext, id: string): Promise<Session | null> {
  const session = await findSession(ctx.pool, ctx.keyring, id);
  return session && withPresentUse(ctx, session);
}

/** The gateway moves a session's idle end in Redis only. */
async function withPresentUse(ctx: AuthContext, session: Session): Promise<Session> {
  const idleUntil = await ctx.cache.idleUntil(session.id);
  if (idleUntil === null || idleUntil <= session.idleExpiresAt) return session;
  const lastSeenAt = new Date(idleUntil.getTime() - ctx.settings.idleMs);
  return {
    ...session,
    idleExpiresAt: idleUntil,
    lastSeenAt: lastSeenAt > session.lastSeenAt ? lastSeenAt : session.lastSeenAt,
  };
}

/** Ends one of the caller's sessions. Throws NotFound, also for another user's. */
export async function endOwnSession(ctx: AuthContext, actor: Actor, id: string): Promise<void> {
  await changeSessions(ctx, async (change) => {
    const session = await lockSession(change.tx, ctx.keyring, id);
    if (!session || session.userId !== actor.id || session.endedAt !== null) throw new NotFound();
    await endSessions(ctx, change, actor, [id], "ended_by_user");
  });
}

/** Ends every session of a user but `except`. */
export async function endAllSessions(
  ctx: AuthContext,
  actor: Actor,
  whose: { userId: string; except: string | null; reason: EndReason },
): Promise<void> {
  await changeSessions(ctx, (change) => endSessionsOf(ctx, change, actor, whose));
}

/**
 * What the gateway wants to know of a session that Redis does not know; Redis learns it as well.
 * Throws NotFound for one that does not live or whose account may not be used.
 */
export async function introspect(ctx: AuthContext, id: string): Promise<IntrospectionView> {
  const session = await findSession(ctx.pool, ctx.keyring, id);
  if (!session || !isLive(session, ctx.now(), await ctx.cache.idleUntil(id))) throw new NotFound();
  const account = await findAccount(ctx.pool, ctx, session.userId);
  if (!account || !isUsable(account) || account.role !== session.role) throw new NotFound();
  const role = await getRole(ctx.pool, session.role);
  await ctx.cache.put(session).catch(() => {});
  const known = cachedSession(session, role.version, { ...ctx.settings, csrfKey: ctx.csrfKey });
  return {
    sub: session.userId,
    role: session.role,
    pv: role.version,
    scope: scopeOfSession(session, role.permissions),
    idleEnd: Number(known.idleEnd),
    absEnd: Number(known.absEnd),
    uaHash: known.uaHash,
    ip: known.ip,
    net: known.net,
    bindAgent: agentBinding(session, ctx.settings.binding),
    bindAddress: addressBinding(session.role, ctx.settings.binding),
    transport: session.transport,
    csrf: known.csrf,
    mfa: known.mfa === "1" ? "1" : "0",
    enroll: known.enroll === "1" ? "1" : "0",
  };
}
