import { z } from "zod";
import { Code, OpaqueToken, Password, wellFormed } from "../fields.ts";
import { Instant } from "../http.ts";
import { Id } from "../ids.ts";
import { PasskeyAssertion } from "./webauthn.ts";

export const Login = z.strictObject({
  identifier: wellFormed(z.string().min(1).max(254)),
  password: Password,
});
export type Login = z.infer<typeof Login>;

/** `idleExpiresAt` and `absoluteExpiresAt` are there so that a client can warn (I11). */
export const TokensView = z.object({
  accessToken: z.string(),
  refreshToken: z.string(),
  tokenType: z.literal("Bearer"),
  /** Seconds. */
  expiresIn: z.int(),
  sessionId: Id,
  scope: z.string(),
  idleExpiresAt: Instant,
  absoluteExpiresAt: Instant,
  /**
   * At a sign-in from an unknown device. Sent as `X-Device-Token` later on, it gives the device a
   * lockout bucket of its own: others who guess at the account do not lock its owner out.
   */
  deviceToken: z.string().optional(),
  /** How long the session lives without a request, and how long before its end to warn. */
  idleTimeoutSeconds: z.int(),
  idleWarningSeconds: z.int(),
});
export type TokensView = z.infer<typeof TokensView>;

export const MfaMethod = z.enum(["totp", "passkey", "recovery_code"]);
export type MfaMethod = z.infer<typeof MfaMethod>;
/** With `X-Session-Transport: cookie`: tokens in cookies, `csrfToken` goes to `X-CSRF-Token`. */
export const CookieTokensView = TokensView.omit({
  accessToken: true,
  refreshToken: true,
  tokenType: true,
  deviceToken: true,
}).extend({ csrfToken: z.string() });
/** What gives tokens out, in either transport. */
export const AnyTokensView = z.union([TokensView, CookieTokensView]);

export const MfaRequiredView = z.object({
  mfaRequired: z.literal(true),
  mfaToken: z.string(),
  methods: z.array(MfaMethod),
  /** Seconds. */
  expiresIn: z.int(),
});

/** Another access token of the same session, with a fresh `auth_time`; no refresh token. */
export const StepUpView = z.object({
  accessToken: z.string(),
  tokenType: z.literal("Bearer"),
  expiresIn: z.int(),
  sessionId: Id,
  scope: z.string(),
});

/** The access token reaches only a factor's set-up, its status, and /v1/auth/logout. */
export const MfaEnrollmentView = z.object({ mfaEnrollmentRequired: z.literal(true), ...StepUpView.shape });

const CookieEnrollmentView = MfaEnrollmentView.omit({ accessToken: true, tokenType: true }).extend({
  csrfToken: z.string(),
});

export const LoginView = z.union([
  TokensView,
  MfaRequiredView,
  MfaEnrollmentView,
  CookieTokensView,
  CookieEnrollmentView,
]);

export const Refresh = z.strictObject({ refreshToken: OpaqueToken });

/** With one of `code` and `passkey`. */
export const MfaChallenge = z
  .strictObject({ mfaToken: OpaqueToken, code: Code.optional(), passkey: PasskeyAssertion.optional() })
  .refine((given) => (given.code === undefined) !== (given.passkey === undefined), {
    path: ["code"],
    message: "either this or passkey must be given",
  });

/** With `password` (and `code` where a second factor is enrolled), or with `passkey` alone. */
export const StepUp = z
  .strictObject({
    password: Password.optional(),
    code: Code.optional(),
    passkey: PasskeyAssertion.optional(),
  })
  .refine((given) => (given.password === undefined) !== (given.passkey === undefined), {
    path: ["password"],
    message: "either this or passkey must be given",
  })
  .refine((given) => given.passkey === undefined || given.code === undefined, {
    path: ["code"],
    message: "goes with password only",
  });

export const AnyStepUpView = z.union([
  StepUpView,
  StepUpView.omit({ accessToken: true, tokenType: true }).extend({ csrfToken: z.string() }),
]);
