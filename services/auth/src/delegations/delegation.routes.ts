import { delegationApi } from "@medvault/contracts";
import { callerOf, type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { delegate, delegateOf } from "./delegation.service.ts";

export const delegationRoutes = (ctx: AuthContext): Route[] => [
  route(delegationApi.create, async ({ actor, body }) => {
    const { token, expiresAt } = await delegate(ctx, actor, body.patientIds);
    return { body: { token, expiresAt: expiresAt.toISOString() } };
  }),
  route(delegationApi.current, async ({ actor, req }) => ({
    body: await delegateOf(ctx, callerOf(actor, req).assertion),
  })),
];
