import { auditApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { Context } from "../context.ts";
import { verify } from "./verification.service.ts";

export const verificationRoutes = (context: Context): Route[] => [
  route(auditApi.verify, async ({ actor }) => ({ body: await verify(context, actor) })),
];
