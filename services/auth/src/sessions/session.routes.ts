import {
  type Actor,
  decodeCursor,
  encodeCursor,
  Forbidden,
  Id,
  NotFound,
  sessionApi,
  userApi,
} from "@medvault/contracts";
import { locationName, type Route, route } from "@medvault/service-kit";
import { findRole } from "../accounts/account.store.ts";
import type { AuthContext } from "../context.ts";
import { endAllSessions, endOwnSession, introspect, viewSessions } from "./session.service.ts";
import { deviceOf, type Session } from "./session.ts";
import { reportClient } from "./session-binding.service.ts";

/** More than anyone may have at once. */
const SESSIONS_OF_ONE_MAX = 100;

export const sessionRoutes = (ctx: AuthContext): Route[] => [
  route(sessionApi.listOwn, ({ actor, query }) => sessionsOf(ctx, actor, actor.id, query.limit)),
  route(sessionApi.endOwn, async ({ actor, params }) => {
    await endOwnSession(ctx, actor, params.id);
    return {};
  }),
  route(sessionApi.endOthers, async ({ actor }) => {
    const others = { userId: actor.id, except: actor.sessionId, reason: "ended_by_user" as const };
    await endAllSessions(ctx, actor, others);
    return {};
  }),
  route(sessionApi.list, async ({ actor, query: { userId = null, role = null, cursor, limit } }) => {
    const before = decodeCursor(Id, cursor) ?? null;
    const found = await viewSessions(ctx, actor, { userId, role, before, limit });
    const last = found.length === limit ? found.at(-1) : undefined;
    const items = found.map((session) => ({
      ...present(ctx, session, actor),
      userId: session.userId,
      role: session.role,
    }));
    return { body: { items, nextCursor: last ? encodeCursor(last.id) : null } };
  }),
  route(userApi.listSessions, async ({ actor, params, query }) => {
    await requireAccount(ctx, params.id);
    return sessionsOf(ctx, actor, params.id, query.limit);
  }),
  route(userApi.endSessions, async ({ actor, params }) => {
    await requireAccount(ctx, params.id);
    await endAllSessions(ctx, actor, { userId: params.id, except: null, reason: "ended_by_admin" });
    return {};
  }),
  route(sessionApi.introspect, async ({ actor, params }) => {
    requireService(actor);
    return { body: await introspect(ctx, params.id) };
  }),
  // The assertion says what client it was; the body says nothing.
  route(sessionApi.reportBindingViolation, async ({ actor, params }) => {
    requireService(actor);
    return { body: { ended: await reportClient(ctx, actor, params.id) } };
  }),
];

/** Throws NotFound: nobody's sessions are not the same as none. */
async function requireAccount(ctx: AuthContext, id: string): Promise<void> {
  if (!(await findRole(ctx.pool, id))) throw new NotFound();
}

/** For the gateway alone: no role can hold this permission. */
function requireService(actor: Actor): void {
  if (actor.role !== "service") throw new Forbidden();
}

async function sessionsOf(ctx: AuthContext, actor: Actor, userId: string, limit = SESSIONS_OF_ONE_MAX) {
  const filter = { userId, role: null, before: null, limit };
  const found = await viewSessions(ctx, actor, filter);
  return { body: { items: found.map((session) => present(ctx, session, actor)) } };
}

function present(ctx: AuthContext, session: Session, actor: Actor) {
  return {
    id: session.id,
    createdAt: session.createdAt.toISOString(),
    lastSeenAt: session.lastSeenAt.toISOString(),
    idleExpiresAt: session.idleExpiresAt.toISOString(),
    absoluteExpiresAt: session.absoluteExpiresAt.toISOString(),
    ip: session.ip,
    userAgent: session.userAgent,
    device: deviceOf(session.userAgent),
    location: locationName(ctx.locate(session.ip)),
    current: session.id === actor.sessionId,
  };
}
