import { jwksApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { publicJwks } from "./signing-key.service.ts";

export const signingKeyRoutes = (ctx: AuthContext): Route[] => [
  route(jwksApi.read, async () => ({
    body: await publicJwks(ctx.pool, ctx.now()),
    headers: { "cache-control": "public, max-age=300" },
  })),
];
