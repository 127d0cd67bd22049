import {
  decodeCursor,
  encodeCursor,
  Id,
  NewUser,
  NotFound,
  SessionSettings,
  UserPage,
  UserPatch,
  UserQuery,
  UserView,
} from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, parse, requireStepUp } from "@medvault/service-kit";
import type { Request, Response, Router } from "express";
import type { Account } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import {
  changeUser,
  inviteUser,
  limitSessions,
  readUser,
  removeUser,
  unlockUser,
  viewUsers,
} from "./user.service.ts";

export function userRoutes(router: Router, ctx: AuthContext): void {
  router.get("/v1/users", allow("user:read"), async (req, res) => {
    const query = parse(UserQuery, req.query);
    const found = await viewUsers(ctx, actorOf(req), {
      role: query.role ?? null,
      disabled: query.disabled ?? null,
      before: decodeCursor(Id, query.cursor) ?? null,
      limit: query.limit,
    });
    const last = found.length === query.limit ? found.at(-1) : undefined;
    res.json(UserPage.parse({ items: found.map(present), nextCursor: last ? encodeCursor(last.id) : null }));
  });

  router.post("/v1/users", allow("user:write"), requireStepUp(), async (req, res) => {
    send(res.status(201), await inviteUser(ctx, actorOf(req), parse(NewUser, req.body)));
  });

  router.get("/v1/users/:id", allow("user:read"), async (req, res) => {
    send(res, await readUser(ctx, actorOf(req), idOf(req)));
  });

  router.patch("/v1/users/:id", allow("user:write"), requireStepUp(), async (req, res) => {
    const patch = parse(UserPatch, req.body);
    send(res, await changeUser(ctx, actorOf(req), idOf(req), { patch, rev: ifMatch(req) }));
  });

  router.delete("/v1/users/:id", allow("user:delete"), requireStepUp(), async (req, res) => {
    await removeUser(ctx, actorOf(req), idOf(req), ifMatch(req));
    res.status(204).end();
  });

  router.post("/v1/users/:id/unlock", allow("user:write"), requireStepUp(), async (req, res) => {
    await unlockUser(ctx, actorOf(req), idOf(req));
    res.status(204).end();
  });

  router.patch("/v1/users/:id/session-settings", allow("user:write"), requireStepUp(), async (req, res) => {
    const { maxConcurrent } = parse(SessionSettings, req.body);
    send(res, await limitSessions(ctx, actorOf(req), idOf(req), maxConcurrent));
  });
}

/** The id in the path; what is none names nobody. */
function idOf(req: Request): string {
  const id = Id.safeParse(req.params.id);
  if (!id.success) throw new NotFound();
  return id.data;
}

function send(res: Response, account: Account): void {
  res.setHeader("ETag", etagOf(account.rev));
  res.json(UserView.parse(present(account)));
}

function present(account: Account) {
  return {
    ...account,
    maxConcurrent: account.maxSessions,
    createdAt: account.createdAt.toISOString(),
    updatedAt: account.updatedAt.toISOString(),
  };
}
