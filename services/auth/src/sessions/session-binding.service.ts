import { type Actor, auditEvent, deniedEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { networkOf } from "@medvault/service-kit";
import { actingAs } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { changeSessions, endSessions } from "./session.service.ts";
import { findSession } from "./session.store.ts";
import { type Session, userAgentHash } from "./session.ts";
import { type BindingViolation, bindingViolation } from "./session-binding.ts";

/** I12: ends a session that is bound to another client than this one; says whether it did. */
export async function enforceBinding(ctx: AuthContext, actor: Actor, session: Session): Promise<boolean> {
  const violation = bindingViolation(session, actor, ctx.settings.binding);
  if (violation?.binding !== "enforce") return false;
  const { owner, input } = eventOf(actor, session, violation);
  await changeSessions(ctx, async (change) => {
    await emit(change.tx, "auth", deniedEvent(owner, input));
    await endSessions(ctx, change, owner, [session.id], input.reason);
  });
  return true;
}

/** Where it is only watched: an event for the first time of each other client. */
export async function watchBinding(ctx: AuthContext, actor: Actor, session: Session): Promise<void> {
  const violation = bindingViolation(session, actor, ctx.settings.binding);
  if (violation?.binding !== "watch") return;
  const mark = violation.what === "agent" ? `ua:${userAgentHash(actor.userAgent)}` : networkOf(actor.ip);
  if (!(await ctx.cache.isNewMark(session, mark))) return;
  const { owner, input } = eventOf(actor, session, violation);
  await ctx.record(auditEvent(owner, input));
}

/**
 * The gateway met a client that is not like the session's. Judged here by what Postgres knows;
 * answers whether the session has ended.
 */
export async function reportClient(ctx: AuthContext, actor: Actor, id: string): Promise<boolean> {
  const session = await findSession(ctx.pool, ctx.keyring, id);
  if (!session || session.endedAt !== null) return true;
  const ended = await enforceBinding(ctx, actor, session);
  if (!ended) await watchBinding(ctx, actor, session);
  return ended;
}

/** The session's own user, but from where the other client is. */
function eventOf(actor: Actor, session: Session, { what }: BindingViolation) {
  return {
    owner: actingAs(actor, { id: session.userId, role: session.role }, session.id),
    input: {
      type: `medvault.auth.session.${what}-changed.v1`,
      subject: `session/${session.id}`,
      action: "session:use",
      reason: `${what}_changed` as const,
    },
  };
}
