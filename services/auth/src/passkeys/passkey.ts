/** A WebAuthn credential of a user, opened. */
export interface Passkey {
  id: string;
  rev: number;
  userId: string;
  /** base64url, as the authenticator made it. */
  credentialId: string;
  /** COSE_Key in base64url. */
  publicKey: string;
  name: string;
  transports: string[];
  backedUp: boolean;
  /** After a reset, until it was used with the new password: it is a second factor and no more. */
  suspended: boolean;
  /** The authenticator's count of uses at the last one; 0 where it keeps none. */
  signCount: number;
  createdAt: Date;
  lastUsedAt: Date | null;
}

export const PASSKEYS_PER_USER_MAX = 20;
export const CHALLENGE_MS = 5 * 60_000;

/** RFC 8176: possession of a key, and the user verified by the authenticator: two factors. */
export const AMR_PASSKEY_ALONE: readonly string[] = ["pop", "user", "mfa"];
/** A password, and possession of a key. */
export const AMR_PASSWORD_AND_PASSKEY: readonly string[] = ["pwd", "pop", "mfa"];

export type ChallengePurpose = "register" | "login" | "second_factor" | "step_up";

/** What a challenge is given out for. */
export interface ChallengeUse {
  purpose: ChallengePurpose;
  /** Null: any user's passkey may sign it. */
  userId: string | null;
  /** The session or sign-in that it was given to; null for a sign-in by the passkey alone. */
  boundTo: string | null;
}

export interface Challenge extends ChallengeUse {
  expiresAt: Date;
}

/** Whether a challenge was given out for exactly this, and is not too old. */
export function isFor(challenge: Challenge, wanted: ChallengeUse, now: Date): boolean {
  return (
    challenge.purpose === wanted.purpose &&
    challenge.userId === wanted.userId &&
    challenge.boundTo === wanted.boundTo &&
    now < challenge.expiresAt
  );
}

/** The id under which an authenticator keeps the user: the account's id, which names nobody. */
export function userHandleOf(userId: string): Buffer {
  return Buffer.from(userId.replaceAll("-", ""), "hex");
}
