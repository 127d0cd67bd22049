import {
  type Actor,
  AdminSessionPage,
  AdminSessionQuery,
  decodeCursor,
  encodeCursor,
  Forbidden,
  Id,
  IntrospectionView,
  NotFound,
  SessionList,
  scopeOf,
} from "@medvault/contracts";
import { actorOf, allow, parse, requireStepUp } from "@medvault/service-kit";
import type { Request, RequestHandler, Router } from "express";
import type { AuthContext } from "../context.ts";
import { endAllSessions, endOwnSession, introspect, viewSessions } from "./session.service.ts";
import { deviceOf, type Session } from "./session.ts";
import { reportClient } from "./session-binding.service.ts";

/** More than anyone may have at once. */
const SESSIONS_OF_ONE_MAX = 100;

export function sessionRoutes(router: Router, ctx: AuthContext): void {
  router.get("/v1/auth/sessions", allow("session:read"), async (req, res) => {
    const actor = actorOf(req);
    const items = (await viewSessions(ctx, actor, ofUser(actor.id))).map((session) =>
      present(session, actor, ctx.locate),
    );
    res.json(SessionList.parse({ items }));
  });

  router.delete("/v1/auth/sessions/:id", allow("session:end"), async (req, res) => {
    await endOwnSession(ctx, actorOf(req), idOf(req));
    res.status(204).end();
  });

  router.delete("/v1/auth/sessions", allow("session:end"), async (req, res) => {
    const actor = actorOf(req);
    await endAllSessions(ctx, actor, { userId: actor.id, except: actor.sessionId, reason: "ended_by_user" });
    res.status(204).end();
  });

  router.get("/v1/sessions", allow("session:read"), everyones("session:read"), async (req, res) => {
    const actor = actorOf(req);
    const query = parse(AdminSessionQuery, req.query);
    const filter = {
      userId: query.userId ?? null,
      role: query.role ?? null,
      before: decodeCursor(Id, query.cursor) ?? null,
      limit: query.limit,
    };
    const found = await viewSessions(ctx, actor, filter);
    const last = found.length === query.limit ? found.at(-1) : undefined;
    const items = found.map((session) => ({
      ...present(session, actor, ctx.locate),
      userId: session.userId,
      role: session.role,
    }));
    res.json(AdminSessionPage.parse({ items, nextCursor: last ? encodeCursor(last.id) : null }));
  });

  router.get("/v1/users/:id/sessions", allow("session:read"), everyones("session:read"), async (req, res) => {
    const actor = actorOf(req);
    const items = (await viewSessions(ctx, actor, ofUser(idOf(req)))).map((session) =>
      present(session, actor, ctx.locate),
    );
    res.json(SessionList.parse({ items }));
  });

  router.delete(
    "/v1/users/:id/sessions",
    allow("session:end"),
    everyones("session:end"),
    requireStepUp(),
    async (req, res) => {
      await endAllSessions(ctx, actorOf(req), { userId: idOf(req), except: null, reason: "ended_by_admin" });
      res.status(204).end();
    },
  );

  // For the gateway alone: no role can hold this permission.
  router.get("/internal/sessions/:id", allow("session:introspect"), async (req, res) => {
    if (actorOf(req).role !== "service") throw new Forbidden();
    res.json(IntrospectionView.parse(await introspect(ctx, idOf(req))));
  });

  // The assertion says what client it was; the body says nothing.
  router.post("/internal/sessions/:id/strange-client", allow("session:introspect"), async (req, res) => {
    if (actorOf(req).role !== "service") throw new Forbidden();
    res.json({ ended: await reportClient(ctx, actorOf(req), idOf(req)) });
  });
}

/** These routes reach into everyone's sessions; the same permission with the scope `own` is not enough. */
function everyones(permission: "session:read" | "session:end"): RequestHandler {
  return (req, _res, next) => {
    if (scopeOf(actorOf(req), permission) !== "any") throw new Forbidden();
    next();
  };
}

/** The id in the path; what is none names nothing. */
function idOf(req: Request): string {
  const id = Id.safeParse(req.params.id);
  if (!id.success) throw new NotFound();
  return id.data;
}

function ofUser(userId: string) {
  return { userId, role: null, before: null, limit: SESSIONS_OF_ONE_MAX };
}

function present(session: Session, actor: Actor, locate: AuthContext["locate"]) {
  return {
    id: session.id,
    createdAt: session.createdAt.toISOString(),
    lastSeenAt: session.lastSeenAt.toISOString(),
    idleExpiresAt: session.idleExpiresAt.toISOString(),
    absoluteExpiresAt: session.absoluteExpiresAt.toISOString(),
    ip: session.ip,
    userAgent: session.userAgent,
    device: deviceOf(session.userAgent),
    location: locate(session.ip),
    current: session.id === actor.sessionId,
  };
}
