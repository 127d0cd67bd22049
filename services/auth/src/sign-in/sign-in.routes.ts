import { signInApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/bucket.ts";
import { challengeByPasskey, stepUpByPasskey } from "../passkeys/passkey-sign-in.service.ts";
import { clearCookies, handOut, refreshInput, transportOf } from "../sessions/session-transport.ts";
import { refresh } from "./refresh.service.ts";
import { challenge, login, logout, stepUp } from "./sign-in.service.ts";

export const signInRoutes = (ctx: AuthContext): Route[] => [
  route(signInApi.login, async ({ actor, body, req }) =>
    handOut(await login(ctx, callerOf(actor, req), { ...body, transport: transportOf(req) })),
  ),
  route(signInApi.challenge, async ({ actor, body: { mfaToken, code = "", passkey }, req }) => {
    const caller = callerOf(actor, req);
    const transport = transportOf(req);
    return handOut(
      passkey
        ? await challengeByPasskey(ctx, caller, { mfaToken, transport, passkey })
        : await challenge(ctx, caller, { mfaToken, transport, code }),
    );
  }),
  route(signInApi.refresh, async ({ actor, body, req }) =>
    handOut(await refresh(ctx, actor, refreshInput(req, body))),
  ),
  route(signInApi.stepUp, async ({ actor, body: { password = "", code, passkey }, req }) => {
    const caller = callerOf(actor, req);
    return handOut(
      passkey ? await stepUpByPasskey(ctx, caller, passkey) : await stepUp(ctx, caller, { password, code }),
    );
  }),
  route(signInApi.logout, async ({ actor, req }) => {
    await logout(ctx, actor);
    return clearCookies(req);
  }),
];
