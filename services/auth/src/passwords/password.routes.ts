import {
  PasswordChange,
  PasswordForgot,
  PasswordReset,
  PasswordStrength,
  PasswordStrengthView,
} from "@medvault/contracts";
import { actorOf, allow, openToGuests, parse } from "@medvault/service-kit";
import type { Router } from "express";
import { callerOf } from "../caller.ts";
import type { Passwords } from "./password.service.ts";
import type { PasswordCheck } from "./password-check.ts";
import type { StrengthMeter } from "./password-strength.service.ts";

export function passwordRoutes(
  router: Router,
  passwords: Passwords,
  { passwordCheck, strength }: { passwordCheck: PasswordCheck; strength: StrengthMeter },
): void {
  router.post("/v1/auth/password/change", allow("account:write"), async (req, res) => {
    await passwords.change(callerOf(req), parse(PasswordChange, req.body));
    res.status(204).end();
  });

  router.post("/v1/auth/password/forgot", openToGuests(), async (req, res) => {
    await passwords.forgot(actorOf(req), parse(PasswordForgot, req.body).email);
    res.status(202).end();
  });

  router.post("/v1/auth/password/reset", openToGuests(), async (req, res) => {
    await passwords.reset(actorOf(req), parse(PasswordReset, req.body));
    res.status(204).end();
  });

  router.post("/v1/auth/password/strength", openToGuests(), async (req, res) => {
    const { password, ...owner } = parse(PasswordStrength, req.body);
    const reasons = await passwordCheck.faultsOf(password, owner);
    const isListed = reasons.includes("common_password") || reasons.includes("breached_password");
    const score = isListed ? 0 : await strength.scoreOf(password, owner);
    res.json(PasswordStrengthView.parse({ score, acceptable: reasons.length === 0, reasons }));
  });
}
