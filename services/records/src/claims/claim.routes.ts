import { claimApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { callerOf } from "../access/auth.client.ts";
import type { Context } from "../context.ts";
import { list, read } from "../resources/resource.service.ts";
import { listVersions } from "../resources/row-version.service.ts";
import { amendClaim, draftClaim, takeStep } from "./claim.service.ts";
import { claims } from "./claim.table.ts";
import type { Step } from "./claim.ts";

export const claimRoutes = (context: Context): Route[] => [
  route(claimApi.create, ({ actor, req, body, write }) =>
    draftClaim(context, callerOf(actor, req), body, write),
  ),
  route(claimApi.list, ({ actor, query }) => list(context, actor, claims, query)),
  route(claimApi.read, ({ actor, params }) => read(context, actor, claims, params.id)),
  route(claimApi.listVersions, ({ actor, params, query }) =>
    listVersions(context, actor, claims, params.id, query.limit),
  ),
  route(claimApi.patch, ({ actor, req, params, body, ifMatch }) =>
    amendClaim(context, callerOf(actor, req), params.id, body, ifMatch),
  ),
  ...STEPS.map((step) =>
    route(claimApi[step], ({ actor, params, body, ifMatch, write }) =>
      takeStep(context, actor, params.id, step, body?.reason ?? null, ifMatch, write),
    ),
  ),
];

const STEPS: readonly Step[] = ["submit", "approve", "reject", "pay"];
