import { defineRoutes } from "../route.ts";
import * as a from "./schemas.ts";

export const accountApi = defineRoutes({
  read: {
    method: "GET",
    path: "/v1/auth/me",
    permission: "account:read",
    summary: "The caller's account",
    response: a.AccountView,
    etag: true,
  },
  patch: {
    method: "PATCH",
    path: "/v1/auth/me",
    permission: "account:write",
    stepUp: true,
    summary: "Change the caller's account",
    request: a.AccountPatch,
    response: a.AccountView,
    etag: true,
    errors: ["username_taken", "version_conflict"],
  },
  verifyEmail: {
    method: "POST",
    path: "/v1/auth/email/verify",
    summary: "Take over a mailed change of address",
    request: a.EmailVerify,
    errors: ["token_invalid"],
  },
  objectToEmail: {
    method: "POST",
    path: "/v1/auth/email/object",
    summary: "Keep an address that an admin is changing, by the link mailed there",
    request: a.EmailVerify,
    errors: ["token_invalid"],
  },
});

export const passwordApi = defineRoutes({
  change: {
    method: "POST",
    path: "/v1/auth/password/change",
    permission: "account:write",
    summary: "Change the password; other sessions end",
    request: a.PasswordChange,
    errors: ["weak_password", "password_unchanged", "invalid_credentials", "login_locked"],
  },
  forgot: {
    method: "POST",
    path: "/v1/auth/password/forgot",
    summary: "Ask for a reset mail",
    request: a.PasswordForgot,
    status: 202,
  },
  reset: {
    method: "POST",
    path: "/v1/auth/password/reset",
    summary: "Set a password by reset or invitation token",
    request: a.PasswordReset,
    errors: ["forbidden", "login_locked", "token_invalid", "weak_password"],
  },
  rate: {
    method: "POST",
    path: "/v1/auth/password/strength",
    summary: "How good a password is",
    request: a.PasswordStrength,
    response: a.PasswordStrengthView,
  },
});
