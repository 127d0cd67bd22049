import { type Actor, auditEvent, type IntrospectionView, NotFound } from "@medvault/contracts";
import { findAccount } from "../accounts/account.store.ts";
import { isUsable } from "../accounts/account.ts";
import { type AuthContext, announce, changeSessions } from "../context.ts";
import { ENROLLMENT_SCOPE, sessionEnded } from "../grants/issuance.service.ts";
import { getRole } from "../roles/role.store.ts";
import {
  endSessions,
  endSessionsOf,
  findSession,
  listLiveSessions,
  lockSession,
  type SessionFilter,
} from "./session.store.ts";
import { type EndReason, isLive, type Session } from "./session.ts";
import { endIfStrange, watchIfStrange } from "./session-binding.service.ts";
import { addressBinding, agentBinding } from "./session-binding.ts";
import { cachedSession } from "./session-cache.store.ts";

/** More than anyone may have at once. */
const OWN_SESSIONS_MAX = 100;

/** Sessions seen and ended: by their users, by admins, by the gateway. */
export function createSessions(ctx: AuthContext) {
  /** Live sessions, newest first, as Redis knows them where it knows more; leaves an event that says whose. */
  async function list(actor: Actor, filter: SessionFilter): Promise<Session[]> {
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
    return Promise.all(stored.map(withPresentUse));
  }

  /** The gateway moves a session's idle end in Redis only. */
  async function withPresentUse(session: Session): Promise<Session> {
    const idleUntil = await ctx.cache.idleUntil(session.id);
    if (idleUntil === null || idleUntil <= session.idleExpiresAt) return session;
    const lastSeenAt = new Date(idleUntil.getTime() - ctx.settings.idleMs);
    return {
      ...session,
      idleExpiresAt: idleUntil,
      lastSeenAt: lastSeenAt > session.lastSeenAt ? lastSeenAt : session.lastSeenAt,
    };
  }

  const listOwn = (actor: Actor): Promise<Session[]> =>
    list(actor, { userId: actor.id, role: null, before: null, limit: OWN_SESSIONS_MAX });

  /** The session as it is now, or null when there is none that lives. */
  async function current(id: string): Promise<Session | null> {
    const session = await findSession(ctx.pool, ctx.keyring, id);
    return session && withPresentUse(session);
  }

  /** Ends one of the caller's sessions. Throws NotFound, also for somebody else's. */
  async function endOwn(actor: Actor, id: string): Promise<void> {
    await changeSessions(ctx, async (tx, effects) => {
      const session = await lockSession(tx, ctx.keyring, id);
      if (!session || session.userId !== actor.id || session.endedAt !== null) throw new NotFound();
      effects.ended.push(...(await endSessions(tx, [id], "ended_by_user", ctx.now())));
      await announce(tx, sessionEnded(actor, id, "ended_by_user"));
    });
  }

  /** Ends every session of a user but `except`. */
  async function endAllOf(
    actor: Actor,
    userId: string,
    except: string | null,
    reason: EndReason,
  ): Promise<void> {
    await changeSessions(ctx, async (tx, effects) => {
      const ended = await endSessionsOf(tx, userId, except, reason, ctx.now());
      effects.ended.push(...ended);
      await announce(tx, ...ended.map((id) => sessionEnded(actor, id, reason)));
    });
  }

  /**
   * What the gateway wants to know of a session that Redis does not know; Redis is told as well. Throws NotFound for
   * one that does not live or whose account may not be used.
   */
  async function introspect(id: string): Promise<IntrospectionView> {
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
      scope: session.kind === "enrollment" ? ENROLLMENT_SCOPE : role.permissions.join(" "),
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

  /**
   * The gateway met a client that is not like the session's. Judged here by what Postgres knows; answers whether the
   * session has ended.
   */
  async function reportStrange(actor: Actor, id: string): Promise<boolean> {
    const session = await findSession(ctx.pool, ctx.keyring, id);
    if (!session || session.endedAt !== null) return true;
    const ended = await changeSessions(ctx, (tx, effects) => endIfStrange(ctx, tx, effects, actor, session));
    if (!ended) await watchIfStrange(ctx, actor, session);
    return ended;
  }

  return { list, listOwn, current, endOwn, endAllOf, introspect, reportStrange };
}

export type Sessions = ReturnType<typeof createSessions>;
