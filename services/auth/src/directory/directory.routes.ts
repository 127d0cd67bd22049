import { directoryApi } from "@medvault/contracts";
import { callerOf, type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { listPeople, namesOf, readPerson, searchAccount } from "./directory.service.ts";

export const directoryRoutes = (ctx: AuthContext): Route[] => [
  route(directoryApi.list, async ({ actor, req, query }) => ({
    body: await listPeople(ctx, callerOf(actor, req), query),
  })),
  route(directoryApi.read, ({ actor, req, params }) => readPerson(ctx, callerOf(actor, req), params.id)),
  route(directoryApi.search, async ({ actor, scope, body }) => ({
    body: { items: await searchAccount(ctx, actor, scope, body.identifier) },
  })),
  route(directoryApi.nameAll, async ({ body }) => ({ body: { items: await namesOf(ctx, body.ids) } })),
];
