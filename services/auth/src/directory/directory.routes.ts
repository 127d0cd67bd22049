import { directoryApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { listPeople, namesOf, readPerson, searchAccount } from "./directory.service.ts";

export const directoryRoutes = (ctx: AuthContext): Route[] => [
  route(directoryApi.list, async ({ actor, query }) => ({ body: await listPeople(ctx, actor, query) })),
  route(directoryApi.read, async ({ actor, params }) => ({ body: await readPerson(ctx, actor, params.id) })),
  route(directoryApi.search, async ({ actor, scope, body }) => ({
    body: { items: await searchAccount(ctx, actor, scope, body.identifier) },
  })),
  route(directoryApi.nameAll, async ({ body }) => ({ body: { items: await namesOf(ctx, body.ids) } })),
];
