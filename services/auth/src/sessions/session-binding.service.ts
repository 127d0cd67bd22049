import { type Actor, auditEvent, deniedEvent } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import { networkOf } from "@medvault/service-kit";
import { type AuthContext, actingAs, announce, type SessionEffects } from "../context.ts";
import { sessionEnded } from "../grants/issuance.service.ts";
import { endSessions } from "./session.store.ts";
import { type Session, userAgentHash } from "./session.ts";
import { type Strangeness, strangeness } from "./session-binding.ts";

/** I12: ends a session that is bound to another client than the one that has just used it; says whether it did. */
export async function endIfStrange(
  ctx: AuthContext,
  tx: Tx,
  effects: SessionEffects,
  actor: Actor,
  session: Session,
): Promise<boolean> {
  const strange = strangeness(session, actor, ctx.settings.binding);
  if (strange?.binding !== "enforce") return false;
  const { owner, input } = eventOf(actor, session, strange.what);
  effects.ended.push(...(await endSessions(tx, [session.id], input.reason, ctx.now())));
  await announce(tx, deniedEvent(owner, input), sessionEnded(owner, session.id, input.reason));
  return true;
}

/** Where it is only watched: an event for the first time of each other client, which is the alert's raw material. */
export async function watchIfStrange(ctx: AuthContext, actor: Actor, session: Session): Promise<void> {
  const strange = strangeness(session, actor, ctx.settings.binding);
  if (strange?.binding !== "watch") return;
  const mark = strange.what === "agent" ? `ua:${userAgentHash(actor.userAgent)}` : networkOf(actor.ip);
  if (!(await ctx.cache.isNewMark(session, mark))) return;
  const { owner, input } = eventOf(actor, session, strange.what);
  await ctx.record(auditEvent(owner, input));
}

/** The session's own user, but from where the strange client is. */
function eventOf(actor: Actor, session: Session, what: Strangeness) {
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
