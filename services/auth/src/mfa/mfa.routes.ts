import { mfaApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/bucket.ts";
import { handOut } from "../sessions/session-transport.ts";
import { beginSetup, disableMfa, mfaStatus, renewRecoveryCodes, verifySetup } from "./mfa.service.ts";

export const mfaRoutes = (ctx: AuthContext): Route[] => [
  route(mfaApi.setUp, async ({ actor }) => ({ body: await beginSetup(ctx, actor) })),
  route(mfaApi.verify, async ({ actor, body, req }) => {
    const tokens = await verifySetup(ctx, callerOf(actor, req), body.code);
    return handOut({ enabled: true as const, ...tokens });
  }),
  route(mfaApi.disable, async ({ actor, body, req }) => {
    await disableMfa(ctx, callerOf(actor, req), body);
    return {};
  }),
  route(mfaApi.readStatus, async ({ actor }) => ({ body: await mfaStatus(ctx, actor) })),
  route(mfaApi.replaceCodes, async ({ actor, body, req }) => ({
    body: { recoveryCodes: await renewRecoveryCodes(ctx, callerOf(actor, req), body) },
  })),
];
