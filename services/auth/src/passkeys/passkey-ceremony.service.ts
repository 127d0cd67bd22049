import {
  type Actor,
  deniedEvent,
  type PasskeyAssertion,
  type PasskeyRegistration,
} from "@medvault/contracts";
import { verifyAuthenticationResponse, verifyRegistrationResponse } from "@simplewebauthn/server";
import { decodeAttestationObject } from "@simplewebauthn/server/helpers";
import { z } from "zod";
import type { AuthContext } from "../context.ts";
import { hashOpaqueToken, newOpaqueToken } from "../tokens/opaque-token.ts";
import {
  InvalidPasskey,
  PasskeyChallengeInvalid,
  type PasskeyFault,
  PasskeyRejected,
  PasskeySuspended,
} from "./passkey.errors.ts";
import { insertChallenge, takeChallenge } from "./passkey.store.ts";
import { CHALLENGE_MS, type ChallengeUse, isFor, type Passkey, userHandleOf } from "./passkey.ts";

/** Runs `work`; where a passkey is refused in it, an event says why, which the answer does not. */
export async function auditRefusal<T>(
  ctx: AuthContext,
  actor: Actor,
  userId: string | null,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const event = deniedEvent(actor, {
      type: "medvault.auth.passkey.denied.v1",
      subject: `user/${userId ?? "unknown"}`,
      action: "passkey:use",
      reason: error.fault,
    });
    return ctx.refuse(error, event);
  }
}

function isRefusal(error: unknown): error is Error & { fault: PasskeyFault } {
  return [InvalidPasskey, PasskeyChallengeInvalid, PasskeyRejected, PasskeySuspended].some(
    (one) => error instanceof one,
  );
}

/** EdDSA, ES256 and RS256 (COSE): what authenticators have. */
export const ALGORITHMS = [-8, -7, -257];

/** What the browser wrote and the authenticator signed; the library checks the rest of it. */
const ClientData = z.object({
  challenge: z.string().max(100),
  origin: z.string().max(300),
  crossOrigin: z.boolean().optional(),
});

/** Gives out a challenge for exactly this. It is good once, for 5 min, at any replica. */
export async function newChallenge(ctx: AuthContext, wanted: ChallengeUse): Promise<Uint8Array<ArrayBuffer>> {
  const { token, hash } = newOpaqueToken();
  const expiresAt = new Date(ctx.now().getTime() + CHALLENGE_MS);
  await insertChallenge(ctx.pool, hash, { ...wanted, expiresAt });
  return new Uint8Array(Buffer.from(token, "base64url"));
}

/** The signed challenge, used up now. Throws PasskeyChallengeInvalid, or what `foreign` makes. */
async function spendChallenge(
  ctx: AuthContext,
  clientDataJSON: string,
  wanted: ChallengeUse,
  foreign: () => Error,
): Promise<string> {
  const clientData = readClientData(clientDataJSON);
  if (!clientData) throw new PasskeyChallengeInvalid();
  const challenge = await takeChallenge(ctx.pool, hashOpaqueToken(clientData.challenge));
  if (!challenge || !isFor(challenge, wanted, ctx.now())) throw new PasskeyChallengeInvalid();
  const { origins } = ctx.settings.passkeys;
  // In a frame of another site our page does not show who asks.
  if (!origins.includes(clientData.origin) || clientData.crossOrigin === true) throw foreign();
  return clientData.challenge;
}

function readClientData(base64url: string): z.infer<typeof ClientData> | null {
  try {
    return ClientData.parse(JSON.parse(Buffer.from(base64url, "base64url").toString("utf8")));
  } catch {
    return null;
  }
}

/** A passkey that has signed; `signCount` is to be written, and compared, where it is used. */
export interface ProvenPasskey {
  passkey: Passkey;
  signCount: number;
}

/**
 * Proves an assertion (WebAuthn level 3, 7.2) by the passkey that was found for it. `userVerified`:
 * whether the authenticator must have verified its user. Throws InvalidPasskey or
 * PasskeyChallengeInvalid.
 */
export async function proveAssertion(
  ctx: AuthContext,
  assertion: PasskeyAssertion,
  found: Passkey | null,
  wanted: ChallengeUse & { userVerified: boolean },
): Promise<ProvenPasskey> {
  const { userVerified, ...of } = wanted;
  const { clientDataJSON, userHandle } = assertion.response;
  const expectedChallenge = await spendChallenge(
    ctx,
    clientDataJSON,
    of,
    () => new InvalidPasskey("foreign_origin"),
  );
  if (!found) throw new InvalidPasskey("unknown_passkey");
  if (wanted.userId !== null && found.userId !== wanted.userId) throw new InvalidPasskey("wrong_user");
  const handle = userHandleOf(found.userId).toString("base64url");
  if (userHandle != null ? userHandle !== handle : wanted.userId === null)
    throw new InvalidPasskey("wrong_user");
  const verified = await verifyAuthenticationResponse({
    response: {
      id: assertion.id,
      rawId: assertion.rawId,
      type: assertion.type,
      clientExtensionResults: {},
      response: {
        clientDataJSON,
        authenticatorData: assertion.response.authenticatorData,
        signature: assertion.response.signature,
      },
    },
    expectedChallenge,
    expectedOrigin: [...ctx.settings.passkeys.origins],
    expectedRPID: ctx.settings.passkeys.id,
    requireUserVerification: false,
    credential: {
      id: found.credentialId,
      publicKey: new Uint8Array(Buffer.from(found.publicKey, "base64url")),
      // The library would compare before it checks the signature: done where the count is written.
      counter: 0,
    },
  }).catch(() => null);
  if (!verified?.verified) throw new InvalidPasskey("signature_invalid");
  if (userVerified && !verified.authenticationInfo.userVerified) throw new InvalidPasskey("not_verified");
  return { passkey: found, signCount: verified.authenticationInfo.newCounter };
}

/** A new credential as its registration tells. */
export type NewCredential = Pick<Passkey, "credentialId" | "publicKey" | "signCount" | "backedUp">;

/** Proves a registration (WebAuthn 3, 7.1). Throws PasskeyRejected, PasskeyChallengeInvalid. */
export async function proveRegistration(
  ctx: AuthContext,
  registration: PasskeyRegistration,
  wanted: ChallengeUse,
): Promise<NewCredential> {
  const { clientDataJSON, attestationObject } = registration.response;
  const expectedChallenge = await spendChallenge(
    ctx,
    clientDataJSON,
    wanted,
    () => new PasskeyRejected("foreign_origin"),
  );
  if (!isUnattested(attestationObject)) throw new PasskeyRejected("registration_invalid");
  const verified = await verifyRegistrationResponse({
    response: {
      id: registration.id,
      rawId: registration.rawId,
      type: registration.type,
      clientExtensionResults: {},
      response: { clientDataJSON, attestationObject },
    },
    expectedChallenge,
    expectedOrigin: [...ctx.settings.passkeys.origins],
    expectedRPID: ctx.settings.passkeys.id,
    requireUserVerification: false,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch(() => null);
  const info = verified?.registrationInfo;
  if (!info || info.credential.id !== registration.id) throw new PasskeyRejected("registration_invalid");
  return {
    credentialId: info.credential.id,
    publicKey: Buffer.from(info.credential.publicKey).toString("base64url"),
    signCount: info.credential.counter,
    backedUp: info.credentialBackedUp,
  };
}

/**
 * Whether no certificate comes with it, as was asked for. One would be checked against the
 * revocation list that it names itself: anyone who registers could make this service fetch any
 * address.
 */
function isUnattested(attestationObject: string): boolean {
  try {
    const decoded = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, "base64url")));
    const format = decoded.get("fmt");
    return format === "none" || (format === "packed" && decoded.get("attStmt").get("x5c") === undefined);
  } catch {
    return false;
  }
}
