import { accountApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { confirmAddress, objectToAddress } from "./address.service.ts";

export const addressRoutes = (ctx: AuthContext): Route[] => [
  route(accountApi.verifyEmail, async ({ actor, body }) => {
    await confirmAddress(ctx, actor, body.token);
    return {};
  }),
  route(accountApi.objectToEmail, async ({ actor, body }) => {
    await objectToAddress(ctx, actor, body.token);
    return {};
  }),
];
