import { auditApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { readStatistics } from "./statistics.service.ts";

export const statisticsRoutes = (context: Context): Route[] => [
  route(auditApi.readStats, async ({ actor, query }) => ({
    body: await readStatistics(context, actor, query),
  })),
];
