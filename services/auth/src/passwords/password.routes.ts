import { passwordApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/bucket.ts";
import { changePassword, forgotPassword, ratePassword, resetPassword } from "./password.service.ts";

export const passwordRoutes = (ctx: AuthContext): Route[] => [
  route(passwordApi.change, async ({ actor, body, req }) => {
    await changePassword(ctx, callerOf(actor, req), body);
    return {};
  }),
  route(passwordApi.forgot, async ({ actor, body }) => {
    await forgotPassword(ctx, actor, body.email);
    return {};
  }),
  route(passwordApi.reset, async ({ actor, body }) => {
    await resetPassword(ctx, actor, body);
    return {};
  }),
  route(passwordApi.rate, async ({ body }) => ({ body: await ratePassword(ctx, body) })),
];
