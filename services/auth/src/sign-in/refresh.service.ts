import {
  type Actor,
  CsrfFailed,
  deniedEvent,
  type SessionTransport,
  Unauthenticated,
} from "@medvault/contracts";
import { findAccount } from "../accounts/account.store.ts";
import { type AuthContext, announce, changeSessions } from "../context.ts";
import { type Issued, issue, sessionEnded, type Tokens } from "../grants/issuance.service.ts";
import { markRecorded } from "../recorded.ts";
import { RefreshReused, RefreshSuperseded } from "../sessions/session.errors.ts";
import { endSessions, lockSession } from "../sessions/session.store.ts";
import { endIfStrange, watchIfStrange } from "../sessions/session-binding.service.ts";
import { blindToken } from "../tokens/blind-token.ts";
import { csrfMatches } from "../tokens/csrf-token.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";
import { findRefreshToken, type SpentToken, spendRefreshToken } from "../tokens/refresh-token.store.ts";
import { judgeSecondUse } from "../tokens/refresh-token.ts";

export interface RefreshGiven {
  refreshToken: string;
  /** How it came. */
  transport: SessionTransport;
  csrfToken: string | undefined;
}

/**
 * Trades a refresh token for a new pair (I18). Of any number at once exactly one is answered with tokens. Throws
 * RefreshSuperseded (a retry: nothing happens), RefreshReused (a copy: the session has ended) or Unauthenticated
 * (unknown, or the gate refuses).
 */
export function createRefresh(ctx: AuthContext) {
  return async function refresh(actor: Actor, given: RefreshGiven): Promise<Tokens> {
    const hash = hashOpaqueToken(given.refreshToken);
    const usedBy = blindToken(ctx.blindKey, "client", actor.ip, actor.userAgent);
    const known = await findRefreshToken(ctx.pool, hash);
    // A token that comes another way than it was given out is not its owner's doing.
    if (!known || known.sessionEnded || known.transport !== given.transport) throw new Unauthenticated();
    if (known.transport === "cookie" && !csrfMatches(ctx.csrfKey, known.sessionId, given.csrfToken)) {
      throw new CsrfFailed();
    }
    // Most of many at once end here, without a lock; whoever passes is decided by the row's lock below.
    if (known.usedAt !== null) return secondUse(ctx, actor, known, usedBy);
    const idleUntil = await ctx.cache.idleUntil(known.sessionId);
    const won = await changeSessions(ctx, async (tx, effects): Promise<Issued | "strange" | null> => {
      const successor = newOpaqueToken(ctx.settings.tokenBytes);
      const sessionId = await spendRefreshToken(tx, { hash, usedBy, successor: successor.hash }, ctx.now());
      if (sessionId === null) return null;
      const account = await findAccount(tx, ctx, known.userId);
      const session = await lockSession(tx, ctx.keyring, sessionId);
      // Not thrown: that the session ends, and why, must be committed.
      if (session && (await endIfStrange(ctx, tx, effects, actor, session))) return "strange";
      const grant = { by: "refresh" as const, account, session, idleUntil, successor };
      return issue(ctx, tx, effects, actor, grant);
    });
    if (won === "strange") throw markRecorded(new Unauthenticated());
    if (won?.kind === "full") {
      await watchIfStrange(ctx, actor, won.session);
      return won.tokens;
    }
    const lost = await findRefreshToken(ctx.pool, hash);
    if (!lost || lost.sessionEnded) throw new Unauthenticated();
    return secondUse(ctx, actor, lost, usedBy);
  };
}

export type Refreshing = ReturnType<typeof createRefresh>;

async function secondUse(ctx: AuthContext, actor: Actor, token: SpentToken, usedBy: Buffer): Promise<never> {
  const denied = (code: string) =>
    deniedEvent(actor, {
      type: "medvault.auth.refresh.denied.v1",
      subject: `session/${token.sessionId}`,
      action: "session:refresh",
      reason: code,
    });
  if (judgeSecondUse(token, usedBy, ctx.now()) === "superseded") {
    const superseded = new RefreshSuperseded();
    await ctx.record(denied(superseded.code));
    throw markRecorded(superseded);
  }
  const reused = new RefreshReused();
  await changeSessions(ctx, async (tx, effects) => {
    const ended = await endSessions(tx, [token.sessionId], "refresh_reused", ctx.now());
    effects.ended.push(token.sessionId);
    await announce(tx, denied(reused.code), ...ended.map((id) => sessionEnded(actor, id, reused.code)));
  });
  throw markRecorded(reused);
}
