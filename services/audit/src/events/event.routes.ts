import { auditApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { actorsOn, queryEvents, readEvent } from "./event.service.ts";

export const eventRoutes = (context: Context): Route[] => [
  route(auditApi.list, async ({ actor, query }) => ({ body: await queryEvents(context, actor, query) })),
  route(auditApi.read, async ({ actor, params }) => ({
    body: await readEvent(context, actor, params.id),
    rev: 1, // an event never changes
  })),
  // For auth, which says whose charts are the caller's own, and leaves the event of the names.
  route(auditApi.listActors, async ({ actor, body }) => ({
    body: { ids: await actorsOn(context, actor, body.patientIds) },
  })),
];
