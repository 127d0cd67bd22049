import { auditApi } from "@medvault/contracts";
import { callerOf, type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { readMyAccess } from "./my-access.service.ts";

export const myAccessRoutes = (context: Context): Route[] => [
  route(auditApi.readMyAccess, async ({ actor, query, req }) => ({
    body: await readMyAccess(context, callerOf(actor, req), query),
  })),
];
