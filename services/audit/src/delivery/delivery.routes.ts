import { auditApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { testChannels } from "./delivery.service.ts";

export const deliveryRoutes = (context: Context): Route[] => [
  route(auditApi.testAlerts, async ({ actor }) => ({ body: await testChannels(context, actor) })),
];
