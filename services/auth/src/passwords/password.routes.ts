import {
  PasswordChange,
  PasswordForgot,
  PasswordReset,
  PasswordStrength,
  PasswordStrengthView,
} from "@medvault/contracts";
import { actorOf, allow, openToGuests, parse } from "@medvault/service-kit";
import type { Router } from "express";
import type { AuthContext } from "../context.ts";
import { callerOf } from "../lockout/known-device.ts";
import { changePassword, forgotPassword, resetPassword } from "./password.service.ts";

export function passwordRoutes(router: Router, ctx: AuthContext): void {
  router.post("/v1/auth/password/change", allow("account:write"), async (req, res) => {
    await changePassword(ctx, callerOf(actorOf(req), req), parse(PasswordChange, req.body));
    res.status(204).end();
  });

  router.post("/v1/auth/password/forgot", openToGuests(), async (req, res) => {
    await forgotPassword(ctx, actorOf(req), parse(PasswordForgot, req.body).email);
    res.status(202).end();
  });

  router.post("/v1/auth/password/reset", openToGuests(), async (req, res) => {
    await resetPassword(ctx, actorOf(req), parse(PasswordReset, req.body));
    res.status(204).end();
  });

  router.post("/v1/auth/password/strength", openToGuests(), async (req, res) => {
    const { password, ...owner } = parse(PasswordStrength, req.body);
    const reasons = await ctx.passwordCheck.faultsOf(password, owner);
    const isListed = reasons.includes("common_password") || reasons.includes("breached_password");
    const score = isListed ? 0 : await ctx.strength.scoreOf(password, owner);
    res.json(PasswordStrengthView.parse({ score, acceptable: reasons.length === 0, reasons }));
  });
}
