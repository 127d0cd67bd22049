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
import { faultsOf, strengthOf } from "./password-policy.ts";

export function passwordRoutes(router: Router, passwords: Passwords): void {
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

  router.post("/v1/auth/password/strength", openToGuests(), (req, res) => {
    const { password, ...owner } = parse(PasswordStrength, req.body);
    const reasons = faultsOf(password, owner);
    const score = strengthOf(password, owner);
    res.json(PasswordStrengthView.parse({ score, acceptable: reasons.length === 0, reasons }));
  });
}
