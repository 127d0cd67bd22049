import { type Actor, auditEvent, Unauthenticated } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Account } from "../accounts/account.ts";
import { type AuthContext, announce, type SessionEffects } from "../context.ts";
import { issue, sessionEnded, type Tokens } from "../grants/issuance.service.ts";
import { endSessions, endSessionsOf, lockSession, saveUse } from "../sessions/session.store.ts";

/**
 * What a proven new factor does to sessions. Where the sign-in had demanded it, the caller's session is traded for a
 * full one and its tokens are answered; else it counts as strong from now on. Other sessions end. Throws
 * Unauthenticated when the caller's session is none of the account's any more.
 */
export async function strengthen(
  ctx: AuthContext,
  tx: Tx,
  effects: SessionEffects,
  actor: Actor,
  change: { account: Account; sessionId: string; amr: string[] },
): Promise<Tokens | null> {
  const { account, sessionId, amr } = change;
  const session = await lockSession(tx, ctx.keyring, sessionId);
  await endOtherSessions(ctx, tx, effects, actor, { userId: account.id, except: sessionId });
  if (session?.kind === "full") {
    if (session.endedAt !== null || session.userId !== account.id) throw new Unauthenticated();
    await saveUse(tx, { ...session, amr });
    effects.opened.push({ session: { ...session, amr }, pv: null });
    return null;
  }
  const issued = await issue(ctx, tx, effects, actor, { by: "enrollment", account, session, amr });
  const ended = await endSessions(tx, [sessionId], "enrollment_superseded", ctx.now());
  effects.ended.push(...ended);
  await announce(tx, ...ended.map((id) => sessionEnded(actor, id, "enrollment_superseded")));
  if (issued.kind !== "full") throw new Unauthenticated();
  return issued.tokens;
}

/** Ends a user's sessions but `except`, since their factors have changed. */
export async function endOtherSessions(
  ctx: AuthContext,
  tx: Tx,
  effects: SessionEffects,
  actor: Actor,
  whose: { userId: string; except: string | null },
): Promise<void> {
  const ended = await endSessionsOf(tx, whose.userId, whose.except, "factor_changed", ctx.now());
  effects.ended.push(...ended);
  await announce(tx, ...ended.map((id) => sessionEnded(actor, id, "factor_changed")));
}

/** The event of a change of the caller's factors: `mfa.enabled`, `recovery-codes.replaced`, … */
export function factorsChanged(actor: Actor, what: string, details: Record<string, string | number>) {
  return auditEvent(actor, {
    type: `medvault.auth.${what}.v1`,
    subject: `user/${actor.id}`,
    action: "mfa:write",
    details,
  });
}
