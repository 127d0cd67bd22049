import {
  MfaSetupView,
  MfaStatusView,
  MfaVerify,
  MfaVerifyView,
  PasswordAndCode,
  RecoveryCodesView,
} from "@medvault/contracts";
import { actorOf, allow, parse, requireStepUp } from "@medvault/service-kit";
import type { Router } from "express";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/known-device.ts";
import { handOut } from "../sessions/session-transport.ts";
import { beginSetup, disableMfa, mfaStatus, renewRecoveryCodes, verifySetup } from "./mfa.service.ts";

export function mfaRoutes(router: Router, ctx: AuthContext): void {
  router.post("/v1/auth/mfa/setup", allow("account:enroll"), requireStepUp(), async (req, res) => {
    res.json(MfaSetupView.parse(await beginSetup(ctx, actorOf(req))));
  });

  router.post("/v1/auth/mfa/verify", allow("account:enroll"), async (req, res) => {
    const tokens = await verifySetup(ctx, callerOf(actorOf(req), req), parse(MfaVerify, req.body).code);
    res.json(MfaVerifyView.parse({ enabled: true, ...(tokens && handOut(res, tokens)) }));
  });

  router.post("/v1/auth/mfa/disable", allow("account:write"), async (req, res) => {
    await disableMfa(ctx, callerOf(actorOf(req), req), parse(PasswordAndCode, req.body));
    res.status(204).end();
  });

  router.get("/v1/auth/mfa/status", allow("account:enroll"), async (req, res) => {
    res.json(MfaStatusView.parse(await mfaStatus(ctx, actorOf(req))));
  });

  router.post("/v1/auth/mfa/recovery-codes", allow("account:write"), async (req, res) => {
    const recoveryCodes = await renewRecoveryCodes(
      ctx,
      callerOf(actorOf(req), req),
      parse(PasswordAndCode, req.body),
    );
    res.json(RecoveryCodesView.parse({ recoveryCodes }));
  });
}
