import { auditApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { listCompleteness } from "./completeness.service.ts";

export const completenessRoutes = (context: Context): Route[] => [
  route(auditApi.listCompleteness, async ({ actor }) => ({ body: await listCompleteness(context, actor) })),
];
