import { AnyStepUpView, AnyTokensView, Login, LoginView, MfaChallenge, StepUp } from "@medvault/contracts";
import { actorOf, allow, openToGuests, parse, requireSession } from "@medvault/service-kit";
import type { Router } from "express";
import { callerOf } from "../caller.ts";
import { accessOnly } from "../grants/issuance.service.ts";
import type { PasskeySignIn } from "../passkeys/passkey-sign-in.service.ts";
import { clearCookies, handOut, refreshGiven, transportOf } from "../sessions/session-transport.ts";
import type { Refreshing } from "./refresh.service.ts";
import type { SignIn } from "./sign-in.service.ts";

export function signInRoutes(
  router: Router,
  signIn: SignIn,
  passkeys: PasskeySignIn,
  refresh: Refreshing,
): void {
  router.post("/v1/auth/login", openToGuests(), async (req, res) => {
    const answer = await signIn.login(callerOf(req), parse(Login, req.body), transportOf(req));
    res.json(LoginView.parse(handOut(res, answer)));
  });

  router.post("/v1/auth/mfa/challenge", openToGuests(), async (req, res) => {
    const { mfaToken, code = "", passkey } = parse(MfaChallenge, req.body);
    const transport = transportOf(req);
    const tokens = passkey
      ? await passkeys.challenge(callerOf(req), { mfaToken, transport }, passkey)
      : await signIn.challenge(callerOf(req), { mfaToken, code, transport });
    res.json(AnyTokensView.parse(handOut(res, tokens)));
  });

  router.post("/v1/auth/refresh", openToGuests(), async (req, res) => {
    res.json(AnyTokensView.parse(handOut(res, await refresh(actorOf(req), refreshGiven(req)))));
  });

  router.post("/v1/auth/step-up", allow("account:write"), async (req, res) => {
    const { password = "", code, passkey } = parse(StepUp, req.body);
    const issued = passkey
      ? await passkeys.stepUp(callerOf(req), passkey)
      : await signIn.stepUp(callerOf(req), { password, code });
    res.json(AnyStepUpView.parse(handOut(res, accessOnly(issued))));
  });

  router.post("/v1/auth/logout", requireSession(), async (req, res) => {
    await signIn.logout(actorOf(req));
    clearCookies(req, res);
    res.status(204).end();
  });
}
