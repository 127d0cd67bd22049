import { Register, RegisteredView } from "../accounts/schemas.ts";
import { defineRoutes } from "../route.ts";
import * as s from "./schemas.ts";

const LOCKABLE = ["invalid_credentials", "login_locked"] as const;

export const signInApi = defineRoutes({
  register: {
    method: "POST",
    path: "/v1/auth/register",
    summary: "Make a patient's account",
    request: Register,
    status: 201,
    response: RegisteredView,
    errors: ["forbidden", "username_taken", "weak_password"],
  },
  login: {
    method: "POST",
    path: "/v1/auth/login",
    summary: "Sign in with username or email",
    request: s.Login,
    example: { identifier: "ada", password: "correct horse battery staple" },
    response: s.LoginView,
    errors: [...LOCKABLE, "csrf_failed", "session_limit_reached"],
  },
  refresh: {
    method: "POST",
    path: "/v1/auth/refresh",
    summary: "Trade a refresh token for a new pair",
    request: s.Refresh,
    requestOptional: true, // the token may be in its cookie
    response: s.AnyTokensView,
    errors: ["unauthenticated", "refresh_superseded", "refresh_reused", "csrf_failed"],
  },
  logout: {
    method: "POST",
    path: "/v1/auth/logout",
    session: true,
    summary: "End this session",
  },
  stepUp: {
    method: "POST",
    path: "/v1/auth/step-up",
    permission: "account:write",
    summary: "Prove again who you are",
    request: s.StepUp,
    response: s.AnyStepUpView,
    errors: [...LOCKABLE, "invalid_passkey", "passkey_challenge_invalid"],
  },
  challenge: {
    method: "POST",
    path: "/v1/auth/mfa/challenge",
    summary: "Give the second factor",
    request: s.MfaChallenge,
    response: s.AnyTokensView,
    errors: [
      "invalid_code",
      "invalid_passkey",
      "passkey_challenge_invalid",
      "mfa_token_invalid",
      "login_locked",
      "csrf_failed",
      "session_limit_reached",
    ],
  },
});
