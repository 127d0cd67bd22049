import { z } from "zod";
import { Email, OpaqueToken, Password, text, unscreened, wellFormed } from "../fields.ts";
import { Instant } from "../http.ts";
import { Id } from "../ids.ts";
import { ROLES } from "../permissions.ts";

/** I1: 3–50 letters, digits, `_` or `-`. Case is kept for showing and ignored for finding. */
export const Username = z.string().regex(/^[A-Za-z0-9_-]{3,50}$/, "must be 3 to 50 letters, digits, _ or -");

/** The roles that a person can be given. Nobody is made a guest. */
export const AccountRole = z.enum(ROLES.filter((role) => role !== "guest"));
export type AccountRole = z.infer<typeof AccountRole>;

/** Controls, and marks that turn the reading direction: a shown name could look like another. */
const MISLEADING = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const shown = (maxChars: number) =>
  text(maxChars)
    .refine((value) => value.trim() !== "", "must not be blank")
    .refine((value) => !MISLEADING.test(value), "must not hold control characters");

/** How people call the account's person; others read it. */
export const DisplayName = shown(100);
export const Title = shown(50);
/** What a person says of themselves, and what only an admin says: it claims a qualification. */
const ownWords = { name: DisplayName.nullable(), title: Title.nullable() };
export const personFields = {
  ...ownWords,
  speciality: shown(100).nullable(),
  /** Of the register that licenses the profession, say. */
  professionalNumber: shown(50).nullable(),
};
/** `name` is the user name where no other was given. */
export const personView = {
  name: z.string(),
  title: z.string().nullable(),
  speciality: z.string().nullable(),
  professionalNumber: z.string().nullable(),
};

export const Register = z.strictObject({ username: Username, email: Email, password: Password });
export type Register = z.infer<typeof Register>;

export const RegisteredView = z.object({
  id: Id,
  username: z.string(),
  email: z.string(),
  role: z.literal("patient"),
});

export const AccountView = z.object({
  id: Id,
  username: z.string(),
  email: z.string(),
  /** Whether a link mailed there was used. Until then a reset takes second factors away. */
  emailConfirmed: z.boolean(),
  ...personView,
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

/**
 * An address changes only by the link mailed to it: `POST /v1/auth/email/verify`. The present one
 * given again is confirmed by it. A title is for staff; null takes a name or title away.
 */
export const AccountPatch = z.strictObject({ username: Username, email: Email, ...ownWords }).partial();
export type AccountPatch = z.infer<typeof AccountPatch>;

export const EmailVerify = z.strictObject({ token: OpaqueToken });

export const PasswordChange = z.strictObject({ currentPassword: Password, newPassword: Password });
export type PasswordChange = z.infer<typeof PasswordChange>;
export const PasswordForgot = z.strictObject({ email: Email });
/** `token` is that of a reset mail or of an invitation. */
/**
 * A reset keeps second factors. `removeFactors` is for somebody who did not set them up: it removes
 * them where nobody had confirmed the address before, and is 403 elsewhere.
 */
export const PasswordReset = z.strictObject({
  token: OpaqueToken,
  newPassword: Password,
  removeFactors: z.boolean().optional(),
});
export type PasswordReset = z.infer<typeof PasswordReset>;

export const PasswordStrength = z.strictObject({
  password: wellFormed(z.string().max(256)).register(unscreened, { why: "secret" }),
  username: wellFormed(z.string().max(50)).optional(),
  email: wellFormed(z.string().max(254)).optional(),
});
export const PasswordStrengthView = z.object({
  score: z.int().min(0).max(4),
  acceptable: z.boolean(),
  reasons: z.array(z.string()),
});
