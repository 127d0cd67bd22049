import { z } from "zod";
import { unscreened } from "./fields.ts";
import { Instant, PageQuery, page } from "./http.ts";
import { Id } from "./ids.ts";
import { ROLES } from "./permissions.ts";
import { BINDINGS } from "./session-transport.ts";
import { PasskeyAssertion } from "./webauthn.ts";

/** I1: 3–50 letters, digits, `_` or `-`. Case is kept for showing and ignored for finding. */
export const Username = z.string().regex(/^[A-Za-z0-9_-]{3,50}$/, "must be 3 to 50 letters, digits, _ or -");
const Email = z.email().max(254);
/** Only its length is checked here; what it must be like is the policy's to say (`weak_password`). */
const Password = z.string().min(1).max(256).register(unscreened, { why: "secret" });
/** 256 random bits in base64url. */
const OpaqueToken = z.string().min(20).max(200);
/** A TOTP or a recovery code, as typed. */
const Code = z.string().min(6).max(40);

/** The roles that a person can be given. Nobody is made a guest. */
export const AccountRole = z.enum(ROLES.filter((role) => role !== "guest"));
export type AccountRole = z.infer<typeof AccountRole>;

// ---- registration and sign-in

export const Register = z.strictObject({ username: Username, email: Email, password: Password });
export type Register = z.infer<typeof Register>;

export const RegisteredView = z.object({
  id: Id,
  username: z.string(),
  email: z.string(),
  role: z.literal("patient"),
});

export const Login = z.strictObject({ identifier: z.string().min(1).max(254), password: Password });
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
   * At a sign-in from a device that is not known yet. Sent as `X-Device-Token` from then on, it keeps a lockout lane for the
   * device: strangers who guess at the account do not lock its owner out.
   */
  deviceToken: z.string().optional(),
  /** How long without a request the session lives, and how long before that end a client should warn. */
  idleTimeoutSeconds: z.int(),
  idleWarningSeconds: z.int(),
});
export type TokensView = z.infer<typeof TokensView>;

export const MfaMethod = z.enum(["totp", "passkey", "recovery_code"]);
export type MfaMethod = z.infer<typeof MfaMethod>;
/** With `X-Session-Transport: cookie` the tokens are in cookies; scripts send `csrfToken` as `X-CSRF-Token`. */
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

/** The access token reaches only the set-up of a factor (TOTP or passkey), its status, and /v1/auth/logout. */
export const MfaEnrollmentView = z.object({
  mfaEnrollmentRequired: z.literal(true),
  accessToken: z.string(),
  tokenType: z.literal("Bearer"),
  expiresIn: z.int(),
  sessionId: Id,
  scope: z.string(),
});

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

// ---- second factor

/** With one of `code` and `passkey`. */
export const MfaChallenge = z
  .strictObject({ mfaToken: OpaqueToken, code: Code.optional(), passkey: PasskeyAssertion.optional() })
  .refine((given) => (given.code === undefined) !== (given.passkey === undefined), {
    path: ["code"],
    message: "either this or passkey must be given",
  });
export type MfaChallenge = z.infer<typeof MfaChallenge>;

export const MfaSetupView = z.object({
  secret: z.string(),
  otpauthUrl: z.string(),
  qrCode: z.string(),
  recoveryCodes: z.array(z.string()).length(10),
});

export const MfaVerify = z.strictObject({ code: Code });
/** The tokens are there when enrolment was demanded at sign-in. */
export const MfaVerifyView = z.object({
  enabled: z.literal(true),
  ...TokensView.partial().shape,
  csrfToken: z.string().optional(),
});

export const PasswordAndCode = z.strictObject({ password: Password, code: Code });
export type PasswordAndCode = z.infer<typeof PasswordAndCode>;

export const MfaStatusView = z.object({
  enabled: z.boolean(),
  requiredForRole: z.boolean(),
  methods: z.array(MfaMethod),
  recoveryCodesLeft: z.int(),
});

export const RecoveryCodesView = z.object({ recoveryCodes: z.array(z.string()).length(10) });

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
export type StepUp = z.infer<typeof StepUp>;

/** A second access token of the same session with a fresh `auth_time`; there is no refresh token with it. */
export const StepUpView = z.object({
  accessToken: z.string(),
  tokenType: z.literal("Bearer"),
  expiresIn: z.int(),
  sessionId: Id,
  scope: z.string(),
});

export const AnyStepUpView = z.union([
  StepUpView,
  StepUpView.omit({ accessToken: true, tokenType: true }).extend({ csrfToken: z.string() }),
]);

// ---- account and passwords

export const AccountView = z.object({
  id: Id,
  username: z.string(),
  email: z.string(),
  role: AccountRole,
  mfaEnabled: z.boolean(),
  mfaRequired: z.boolean(),
  createdAt: Instant,
  updatedAt: Instant,
  permissions: z.array(z.string()),
  idleExpiresAt: Instant,
  absoluteExpiresAt: Instant,
  idleTimeoutSeconds: z.int(),
  idleWarningSeconds: z.int(),
  /** Of a cookie session. */
  csrfToken: z.string().optional(),
});

/** An address changes only when the link that is mailed to it is used: see `POST /v1/auth/email/verify`. */
export const AccountPatch = z.strictObject({ username: Username, email: Email }).partial();
export type AccountPatch = z.infer<typeof AccountPatch>;

export const EmailVerify = z.strictObject({ token: OpaqueToken });

export const PasswordChange = z.strictObject({ currentPassword: Password, newPassword: Password });
export type PasswordChange = z.infer<typeof PasswordChange>;
export const PasswordForgot = z.strictObject({ email: Email });
/** `token` is that of a reset mail or of an invitation. */
export const PasswordReset = z.strictObject({ token: OpaqueToken, newPassword: Password });
export type PasswordReset = z.infer<typeof PasswordReset>;

export const PasswordStrength = z.strictObject({
  password: z.string().max(256).register(unscreened, { why: "secret" }),
  username: z.string().max(50).optional(),
  email: z.string().max(254).optional(),
});
export const PasswordStrengthView = z.object({
  score: z.int().min(0).max(4),
  acceptable: z.boolean(),
  reasons: z.array(z.string()),
});

// ---- sessions

export const SessionView = z.object({
  id: Id,
  createdAt: Instant,
  lastSeenAt: Instant,
  idleExpiresAt: Instant,
  absoluteExpiresAt: Instant,
  ip: z.string(),
  userAgent: z.string(),
  device: z.string(),
  /** `Berlin, Germany`, as the operator's GeoIP file knows the address; null without one. */
  location: z.string().nullable(),
  current: z.boolean(),
});
export const SessionList = z.object({ items: z.array(SessionView) });
export const AdminSessionView = SessionView.extend({ userId: Id, role: AccountRole });
export const AdminSessionPage = page(AdminSessionView);
export const AdminSessionQuery = PageQuery.extend({
  userId: Id.optional(),
  role: AccountRole.optional(),
}).strict();
export const SessionSettings = z.strictObject({ maxConcurrent: z.int().min(1).max(50) });

// ---- for the gateway

/** What auth says of a live session to the gateway; the same fields stand in Redis (`session:<sid>`). */
export const IntrospectionView = z.object({
  sub: Id,
  role: AccountRole,
  /** The role's present permission version. */
  pv: z.int(),
  /** The role's present permissions, or `account:enroll:own` alone; space separated. */
  scope: z.string(),
  /** Milliseconds since 1970. */
  idleEnd: z.int(),
  absEnd: z.int(),
  /** SHA-256 of the user agent, in hex. */
  uaHash: z.string(),
  ip: z.string(),
  /** The address, or its /64. */
  net: z.string(),
  bindAgent: z.enum(BINDINGS),
  bindAddress: z.enum(BINDINGS),
  transport: z.enum(["bearer", "cookie"]),
  /** SHA-256 of the CSRF token, in hex; empty where the transport is none of cookies. */
  csrf: z.string(),
  mfa: z.enum(["0", "1"]),
  enroll: z.enum(["0", "1"]),
});
export type IntrospectionView = z.infer<typeof IntrospectionView>;

/** RFC 7517. */
export const JwksView = z.object({
  keys: z.array(
    z.object({
      kty: z.literal("OKP"),
      crv: z.literal("Ed25519"),
      x: z.string(),
      kid: z.string(),
      alg: z.literal("EdDSA"),
      use: z.literal("sig"),
    }),
  ),
});
