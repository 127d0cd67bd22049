import { AnyStepUpView, AnyTokensView, Login, LoginView, MfaChallenge, StepUp } from "@medvault/contracts";
import { actorOf, allow, openToGuests, parse, requireSession } from "@medvault/service-kit";
import type { Request, Router } from "express";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/known-device.ts";
import { challengeByPasskey, stepUpByPasskey } from "../passkeys/passkey-sign-in.service.ts";
import { clearCookies, handOut, refreshGiven, transportOf } from "../sessions/session-transport.ts";
import { refresh } from "./refresh.service.ts";
import { challenge, login, logout, stepUp } from "./sign-in.service.ts";

export function signInRoutes(router: Router, ctx: AuthContext): void {
  const caller = (req: Request) => callerOf(actorOf(req), req);

  router.post("/v1/auth/login", openToGuests(), async (req, res) => {
    const input = { ...parse(Login, req.body), transport: transportOf(req) };
    res.json(LoginView.parse(handOut(res, await login(ctx, caller(req), input))));
  });

  router.post("/v1/auth/mfa/challenge", openToGuests(), async (req, res) => {
    const { mfaToken, code = "", passkey } = parse(MfaChallenge, req.body);
    const transport = transportOf(req);
    const tokens = passkey
      ? await challengeByPasskey(ctx, caller(req), { mfaToken, transport, passkey })
      : await challenge(ctx, caller(req), { mfaToken, transport, code });
    res.json(AnyTokensView.parse(handOut(res, tokens)));
  });

  router.post("/v1/auth/refresh", openToGuests(), async (req, res) => {
    res.json(AnyTokensView.parse(handOut(res, await refresh(ctx, actorOf(req), refreshGiven(req)))));
  });

  router.post("/v1/auth/step-up", allow("account:write"), async (req, res) => {
    const { password = "", code, passkey } = parse(StepUp, req.body);
    const confirmed = passkey
      ? await stepUpByPasskey(ctx, caller(req), passkey)
      : await stepUp(ctx, caller(req), { password, code });
    res.json(AnyStepUpView.parse(handOut(res, confirmed)));
  });

  router.post("/v1/auth/logout", requireSession(), async (req, res) => {
    await logout(ctx, actorOf(req));
    clearCookies(req, res);
    res.status(204).end();
  });
}
