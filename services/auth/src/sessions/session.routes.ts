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
import type { Sessions } from "./session.service.ts";
import { deviceOf, type Session } from "./session.ts";

/** Where an address is, roughly, or null. */
type Locate = (ip: string) => string | null;

export function sessionRoutes(router: Router, sessions: Sessions, locate: Locate): void {
  router.get("/v1/auth/sessions", allow("session:read"), async (req, res) => {
    const actor = actorOf(req);
    const items = (await sessions.listOwn(actor)).map((session) => present(session, actor, locate));
    res.json(SessionList.parse({ items }));
  });

  router.delete("/v1/auth/sessions/:id", allow("session:end"), async (req, res) => {
    await sessions.endOwn(actorOf(req), idOf(req));
    res.status(204).end();
  });

  router.delete("/v1/auth/sessions", allow("session:end"), async (req, res) => {
    const actor = actorOf(req);
    await sessions.endAllOf(actor, actor.id, actor.sessionId, "ended_by_user");
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
    const found = await sessions.list(actor, filter);
    const last = found.length === query.limit ? found.at(-1) : undefined;
    const items = found.map((session) => ({
      ...present(session, actor, locate),
      userId: session.userId,
      role: session.role,
    }));
    res.json(AdminSessionPage.parse({ items, nextCursor: last ? encodeCursor(last.id) : null }));
  });

  router.get("/v1/users/:id/sessions", allow("session:read"), everyones("session:read"), async (req, res) => {
    const actor = actorOf(req);
    const filter = { userId: idOf(req), role: null, before: null, limit: 100 };
    const items = (await sessions.list(actor, filter)).map((session) => present(session, actor, locate));
    res.json(SessionList.parse({ items }));
  });

  router.delete(
    "/v1/users/:id/sessions",
    allow("session:end"),
    everyones("session:end"),
    requireStepUp(),
    async (req, res) => {
      await sessions.endAllOf(actorOf(req), idOf(req), null, "ended_by_admin");
      res.status(204).end();
    },
  );

  // For the gateway alone: no role can hold this permission.
  router.get("/internal/sessions/:id", allow("session:introspect"), async (req, res) => {
    if (actorOf(req).role !== "service") throw new Forbidden();
    res.json(IntrospectionView.parse(await sessions.introspect(idOf(req))));
  });

  // The assertion says what client it was; the body says nothing.
  router.post("/internal/sessions/:id/strange-client", allow("session:introspect"), async (req, res) => {
    if (actorOf(req).role !== "service") throw new Forbidden();
    res.json({ ended: await sessions.reportStrange(actorOf(req), idOf(req)) });
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

function present(session: Session, actor: Actor, locate: Locate) {
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
