import { breakGlassApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { list, read } from "../resources/resource.service.ts";
import { breakGlass, reviewBreakGlass } from "./break-glass.service.ts";
import { breakGlasses } from "./break-glass.table.ts";

export const breakGlassRoutes = (context: Context): Route[] => [
  route(breakGlassApi.open, ({ actor, params, body, write }) =>
    breakGlass(context, actor, params.id, body, write),
  ),
  route(breakGlassApi.list, ({ actor, query }) => list(context, actor, breakGlasses, query)),
  route(breakGlassApi.read, ({ actor, params }) => read(context, actor, breakGlasses, params.id)),
  route(breakGlassApi.review, ({ actor, params, body, ifMatch, write }) =>
    reviewBreakGlass(context, actor, params.id, body, ifMatch, write),
  ),
];
