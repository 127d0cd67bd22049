import type { z } from "zod";
import * as auth from "./auth.ts";
import type { RouteDoc } from "./openapi.ts";
import { passkeyRoutes } from "./passkeys.ts";
import type { ResourceAction } from "./permissions.ts";
import * as people from "./users.ts";

const a = { ...auth, ...people };

type Extras = Pick<
  RouteDoc,
  "request" | "requestOptional" | "example" | "query" | "errors" | "permission" | "session"
>;

/** Single resources: their answers carry an ETag. */
const RESOURCES = new Set<z.ZodType | null>([a.AccountView, a.UserView]);

function route(
  method: RouteDoc["method"],
  path: string,
  summary: string,
  status: number,
  response: z.ZodType | null,
  extras: Extras = {},
): RouteDoc {
  return { method, path, summary, status, response, etag: RESOURCES.has(response), ...extras };
}

const LOCKABLE = ["invalid_credentials", "login_locked"];
const own = (permission: ResourceAction) => ({ permission });

const signIn: RouteDoc[] = [
  route("post", "/v1/auth/register", "Make a patient's account", 201, a.RegisteredView, {
    request: a.Register,
    errors: ["username_taken", "weak_password"],
  }),
  route("post", "/v1/auth/login", "Sign in with username or email", 200, a.LoginView, {
    request: a.Login,
    example: { identifier: "ada", password: "correct horse battery staple" },
    errors: [...LOCKABLE, "csrf_failed", "session_limit_reached"],
  }),
  route("post", "/v1/auth/refresh", "Trade a refresh token for a new pair", 200, a.AnyTokensView, {
    request: a.Refresh,
    requestOptional: true, // the token may be in its cookie
    errors: ["unauthenticated", "refresh_superseded", "refresh_reused", "csrf_failed"],
  }),
  route("post", "/v1/auth/logout", "End this session", 204, null, { session: true }),
  route("post", "/v1/auth/step-up", "Prove again who you are", 200, a.AnyStepUpView, {
    request: a.StepUp,
    errors: [...LOCKABLE, "invalid_passkey", "passkey_challenge_invalid"],
    ...own("account:write"),
  }),
];

const secondFactor: RouteDoc[] = [
  route("post", "/v1/auth/mfa/challenge", "Give the second factor", 200, a.AnyTokensView, {
    request: a.MfaChallenge,
    errors: [
      "invalid_code",
      "invalid_passkey",
      "passkey_challenge_invalid",
      "mfa_token_invalid",
      "login_locked",
      "csrf_failed",
      "session_limit_reached",
    ],
  }),
  route("post", "/v1/auth/mfa/setup", "Begin to set up an authenticator", 200, a.MfaSetupView, {
    errors: ["step_up_required"],
    ...own("account:enroll"),
  }),
  route("post", "/v1/auth/mfa/verify", "Finish setting it up", 200, a.MfaVerifyView, {
    request: a.MfaVerify,
    errors: ["invalid_code", "mfa_setup_missing", "login_locked"],
    ...own("account:enroll"),
  }),
  route("post", "/v1/auth/mfa/disable", "Give up the second factor", 204, null, {
    request: a.PasswordAndCode,
    errors: ["mfa_required_for_role", "mfa_not_enabled", ...LOCKABLE],
    ...own("account:write"),
  }),
  route(
    "get",
    "/v1/auth/mfa/status",
    "State of the second factor",
    200,
    a.MfaStatusView,
    own("account:enroll"),
  ),
  route("post", "/v1/auth/mfa/recovery-codes", "Ten new recovery codes", 200, a.RecoveryCodesView, {
    request: a.PasswordAndCode,
    errors: ["mfa_not_enabled", ...LOCKABLE],
    ...own("account:write"),
  }),
];

const account: RouteDoc[] = [
  route("get", "/v1/auth/me", "The caller's account", 200, a.AccountView, own("account:read")),
  route("patch", "/v1/auth/me", "Change the caller's account", 200, a.AccountView, {
    request: a.AccountPatch,
    errors: ["username_taken", "step_up_required", "version_conflict"],
    ...own("account:write"),
  }),
  route("post", "/v1/auth/email/verify", "Take over a mailed change of address", 204, null, {
    request: a.EmailVerify,
    errors: ["token_invalid"],
  }),
  route("post", "/v1/auth/password/change", "Change the password; other sessions end", 204, null, {
    request: a.PasswordChange,
    errors: ["weak_password", ...LOCKABLE],
    ...own("account:write"),
  }),
  route("post", "/v1/auth/password/forgot", "Ask for a reset mail", 202, null, {
    request: a.PasswordForgot,
  }),
  route("post", "/v1/auth/password/reset", "Set a password by reset or invitation token", 204, null, {
    request: a.PasswordReset,
    errors: ["login_locked", "token_invalid", "weak_password"],
  }),
  route("post", "/v1/auth/password/strength", "How good a password is", 200, a.PasswordStrengthView, {
    request: a.PasswordStrength,
  }),
];

const sessions: RouteDoc[] = [
  route("get", "/v1/auth/sessions", "Own sessions", 200, a.SessionList, own("session:read")),
  route("delete", "/v1/auth/sessions", "End all own sessions but this", 204, null, own("session:end")),
  route("delete", "/v1/auth/sessions/{id}", "End one own session", 204, null, {
    errors: ["not_found"],
    ...own("session:end"),
  }),
  route("get", "/v1/sessions", "Every live session", 200, a.AdminSessionPage, {
    query: a.AdminSessionQuery,
    ...own("session:read"),
  }),
];

const ADMIN_WRITE = ["not_found", "step_up_required", "last_admin", "would_lock_out", "version_conflict"];
const users: RouteDoc[] = [
  route("get", "/v1/users", "Users, newest first", 200, a.UserPage, {
    query: a.UserQuery,
    ...own("user:read"),
  }),
  route("post", "/v1/users", "Invite a user; the invitation goes by mail", 201, a.UserView, {
    request: a.NewUser,
    errors: ["username_taken", "email_taken", "step_up_required"],
    ...own("user:write"),
  }),
  route("get", "/v1/users/{id}", "One user", 200, a.UserView, {
    errors: ["not_found"],
    ...own("user:read"),
  }),
  route("patch", "/v1/users/{id}", "Change a user", 200, a.UserView, {
    request: a.UserPatch,
    errors: ["username_taken", "email_taken", ...ADMIN_WRITE],
    ...own("user:write"),
  }),
  route("delete", "/v1/users/{id}", "Delete a user and their keys", 204, null, {
    errors: ADMIN_WRITE,
    ...own("user:delete"),
  }),
  route("post", "/v1/users/{id}/unlock", "Lift a user's lockouts", 204, null, {
    errors: ["not_found", "step_up_required"],
    ...own("user:write"),
  }),
  route("get", "/v1/users/{id}/sessions", "A user's sessions", 200, a.SessionList, {
    errors: ["not_found"],
    ...own("session:read"),
  }),
  route("delete", "/v1/users/{id}/sessions", "End a user's sessions", 204, null, {
    errors: ["not_found", "step_up_required"],
    ...own("session:end"),
  }),
  route("patch", "/v1/users/{id}/session-settings", "How many sessions a user may have", 200, a.UserView, {
    request: a.SessionSettings,
    errors: ["not_found", "step_up_required"],
    ...own("user:write"),
  }),
];

const roles: RouteDoc[] = [
  route("get", "/v1/roles", "Roles and what they may do", 200, a.RoleList, own("role:read")),
  route("put", "/v1/roles/{role}/permissions", "Set what a role may do", 200, a.RoleView, {
    request: a.RolePermissions,
    errors: ["not_found", "step_up_required", "role_protected", "would_lock_out"],
    ...own("role:write"),
  }),
  route("get", "/.well-known/jwks.json", "Public keys that check access tokens", 200, a.JwksView),
];

/** Every public route of auth, for `GET /openapi.json`. */
export const authRoutes: RouteDoc[] = [
  ...signIn,
  ...secondFactor,
  ...passkeyRoutes,
  ...account,
  ...sessions,
  ...users,
  ...roles,
];
