import { defineRoutes } from "../route.ts";
import * as m from "./schemas.ts";

const LOCKABLE = ["invalid_credentials", "login_locked"] as const;

export const mfaApi = defineRoutes({
  setUp: {
    method: "POST",
    path: "/v1/auth/mfa/setup",
    permission: "account:enroll",
    stepUp: true,
    summary: "Begin to set up an authenticator",
    response: m.MfaSetupView,
  },
  verify: {
    method: "POST",
    path: "/v1/auth/mfa/verify",
    permission: "account:enroll",
    summary: "Finish setting it up",
    request: m.MfaVerify,
    response: m.MfaVerifyView,
    errors: ["invalid_code", "mfa_setup_missing", "login_locked"],
  },
  disable: {
    method: "POST",
    path: "/v1/auth/mfa/disable",
    permission: "account:write",
    summary: "Give up the second factor",
    request: m.PasswordAndCode,
    errors: ["mfa_required_for_role", "mfa_not_enabled", ...LOCKABLE],
  },
  readStatus: {
    method: "GET",
    path: "/v1/auth/mfa/status",
    permission: "account:enroll",
    summary: "State of the second factor",
    response: m.MfaStatusView,
  },
  replaceCodes: {
    method: "POST",
    path: "/v1/auth/mfa/recovery-codes",
    permission: "account:write",
    summary: "Ten new recovery codes",
    request: m.PasswordAndCode,
    response: m.RecoveryCodesView,
    errors: ["mfa_not_enabled", ...LOCKABLE],
  },
});
