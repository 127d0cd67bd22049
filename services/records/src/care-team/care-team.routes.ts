import { careTeamApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { callerOf } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { assign, assignMany, readAccess, readCareTeam, readMember, unassign } from "./care-team.service.ts";

export const careTeamRoutes = (context: Context): Route[] => [
  route(careTeamApi.list, ({ actor, params, query }) => readCareTeam(context, actor, params.id, query.limit)),
  route(careTeamApi.listAccess, ({ actor, req, params }) =>
    readAccess(context, callerOf(actor, req), params.id),
  ),
  route(careTeamApi.read, ({ actor, params }) => readMember(context, actor, params.id, params.userId)),
  route(careTeamApi.assign, ({ actor, req, params, ifMatch, write }) =>
    assign(context, callerOf(actor, req), params.id, params.userId, ifMatch, write),
  ),
  route(careTeamApi.assignMany, ({ actor, req, body, write }) =>
    assignMany(context, callerOf(actor, req), body, write),
  ),
  route(careTeamApi.unassign, ({ actor, params, ifMatch }) =>
    unassign(context, actor, params.id, params.userId, ifMatch),
  ),
];
