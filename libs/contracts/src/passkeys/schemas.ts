import { z } from "zod";
import { wellFormed } from "../fields.ts";
import { Instant } from "../http.ts";
import { Id } from "../ids.ts";
import { RecoveryCodesView } from "../mfa/schemas.ts";
import { TokensView } from "../sign-in/schemas.ts";
import { base64Url, credentialFields, Transport } from "../sign-in/webauthn.ts";

const PasskeyName = wellFormed(z.string().max(60)).refine(
  (value) => value.trim() !== "",
  "must not be blank",
);

/** The answer of `navigator.credentials.create()` (RegistrationResponseJSON), and a name. */
export const PasskeyRegistration = z.strictObject({
  name: PasskeyName.optional(),
  ...credentialFields,
  // Browsers add readable copies of what lies in attestationObject; only that is looked at.
  response: z.object({
    clientDataJSON: base64Url(4096),
    attestationObject: base64Url(16_384),
    transports: z.array(z.string().max(40)).max(10).optional(),
  }),
});
export type PasskeyRegistration = z.infer<typeof PasskeyRegistration>;

export const PasskeyPatch = z.strictObject({ name: PasskeyName });

/**
 * With `mfaToken` the options are those of the second factor of that sign-in. Without, they are
 * alike for everyone: a passkey names its own user, so `identifier` is accepted and ignored.
 */
export const PasskeyLoginOptions = z.strictObject({
  mfaToken: z.string().min(20).max(200).optional(),
  identifier: wellFormed(z.string().max(254)).optional(),
});

const Descriptor = z.object({
  id: z.string(),
  type: z.literal("public-key"),
  transports: z.array(Transport).optional(),
});

/** PublicKeyCredentialCreationOptionsJSON of WebAuthn level 3. */
export const PasskeyCreationOptions = z.object({
  rp: z.object({ id: z.string(), name: z.string() }),
  user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
  challenge: z.string(),
  pubKeyCredParams: z.array(z.object({ type: z.literal("public-key"), alg: z.int() })),
  /** Milliseconds. */
  timeout: z.int(),
  excludeCredentials: z.array(Descriptor),
  authenticatorSelection: z.object({
    residentKey: z.string(),
    requireResidentKey: z.boolean(),
    userVerification: z.string(),
  }),
  attestation: z.literal("none"),
  extensions: z.record(z.string(), z.unknown()),
});

/** PublicKeyCredentialRequestOptionsJSON of WebAuthn level 3. */
export const PasskeyRequestOptions = z.object({
  rpId: z.string(),
  challenge: z.string(),
  /** Milliseconds. */
  timeout: z.int(),
  allowCredentials: z.array(Descriptor),
  userVerification: z.enum(["required", "preferred"]),
});

export const PasskeyView = z.object({
  id: Id,
  name: z.string(),
  createdAt: Instant,
  lastUsedAt: Instant.nullable(),
  /** Whether a service syncs it to other devices, as it said when it was registered. */
  backedUp: z.boolean(),
  /** After a reset: signs in alone once it was used as the second factor of the new password. */
  suspended: z.boolean(),
});
export const PasskeyList = z.object({ items: z.array(PasskeyView) });

/** Recovery codes come with an account's first factor; tokens where the sign-in required it. */
export const PasskeyRegisteredView = PasskeyView.extend({
  ...RecoveryCodesView.partial().shape,
  ...TokensView.partial().shape,
  csrfToken: z.string().optional(),
});
