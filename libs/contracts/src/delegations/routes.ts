import { defineRoutes } from "../route.ts";
import * as d from "./schemas.ts";

/** Of auth: work that goes on in a person's name when their request is over. */
export const delegationApi = defineRoutes({
  create: {
    method: "POST",
    path: "/internal/delegations",
    internal: true,
    session: true,
    stepUp: true,
    resource: "delegation",
    summary: "A token by which a job acts in the caller's name, on one chart, for some hours",
    request: d.NewDelegation,
    status: 201,
    response: d.DelegationView,
  },
  current: {
    method: "GET",
    path: "/internal/delegations/current",
    internal: true,
    session: true,
    part: "export",
    resource: "delegation",
    summary: "Whose the token is that this request came with, and what they may do now",
    response: d.DelegatedActor,
  },
});
