import { z } from "zod";

/** Bytes as WebAuthn's JSON forms carry them. */
export const base64Url = (maxChars: number) =>
  z
    .string()
    .min(1)
    .max(maxChars)
    .regex(/^[A-Za-z0-9_-]+$/, "must be base64url without padding");

export const Transport = z.enum(["ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"]);

/** What a browser says of a credential, whether made or used. */
export const credentialFields = {
  id: base64Url(1400),
  rawId: base64Url(1400),
  type: z.literal("public-key"),
  authenticatorAttachment: z.string().max(40).nullish(),
  clientExtensionResults: z.record(z.string(), z.unknown()).default({}),
};

/** What `navigator.credentials.get()` answers: AuthenticationResponseJSON of WebAuthn level 3. */
export const PasskeyAssertion = z.strictObject({
  ...credentialFields,
  response: z.object({
    clientDataJSON: base64Url(4096),
    authenticatorData: base64Url(4096),
    signature: base64Url(2048),
    userHandle: base64Url(100).nullish(),
  }),
});
export type PasskeyAssertion = z.infer<typeof PasskeyAssertion>;
