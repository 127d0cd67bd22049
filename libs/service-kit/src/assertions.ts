import { hash } from "node:crypto";
import { type Part, Unauthenticated } from "@medvault/contracts";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  createLocalJWKSet,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  jwtVerify,
  SignJWT,
} from "jose";
import { z } from "zod";
import { BoundedMap } from "./bounded-map.ts";

const ASSERTION_TYPE = "assertion+jwt";
const ASSERTION_ISSUER = "medvault-gateway";
/** How long an assertion is valid. */
const ASSERTION_LIFETIME_S = 30;
/** By how much two machines' clocks may differ. */
export const CLOCK_TOLERANCE_S = 5;
/** Tells the gateway that its assertion was good, though at another time than now. */
export const UNTIMELY_HEADER = "x-medvault-untimely";
const MAX_REMEMBERED = 2_000;

/** What the gateway asserts of the caller. `sub` is a user's id, `guest` or `service:<name>`. */
const AssertionClaims = z.object({
  sub: z.string().min(1).max(100),
  role: z.enum(["guest", "patient", "doctor", "auditor", "admin", "service"]),
  sid: z.string().max(100).nullable().default(null),
  /** Permissions, separated by spaces. */
  scope: z.string().max(16_384).default(""),
  auth_time: z.number().int().nonnegative().default(0),
  amr: z.array(z.string().max(20)).max(10).default([]),
  ip: z.string().max(64),
  ua: z.string().max(512),
});
export type Claims = z.infer<typeof AssertionClaims>;

export interface AssertionKey {
  kid: string;
  key: CryptoKey | Uint8Array;
}

const REFUSED = "The gateway's assertion is missing or not valid.";

/** An assertion that is right in all but its time: an old one, or one of two clocks is wrong. */
export class AssertionUntimely extends Unauthenticated {}

/** What is asserted, and for which part of the service alone: its routes that say so. */
export type Asserted = Claims & {
  readonly permissions: ReadonlySet<string>;
  /** Null: for the whole service. */
  readonly part: Part | null;
  /** Of a delegation: the ids of the one chart that it is for. */
  readonly patientIds?: readonly string[];
};

/** Signs `claims` for `audience` (service names) with the gateway's Ed25519 key. */
export async function signAssertion(
  key: AssertionKey,
  claims: Claims,
  audience: string | string[],
  lifetimeS: number = ASSERTION_LIFETIME_S,
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "EdDSA", typ: ASSERTION_TYPE, kid: key.kid })
    .setIssuer(ASSERTION_ISSUER)
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeS)
    .sign(key.key);
}

/**
 * Verifies the gateway's assertion alone: EdDSA, `typ`, `iss`, `aud`, `exp` fixed (RFC 8725). It is
 * remembered by its SHA-256 until it expires: one verification costs some 150 µs.
 */
export class AssertionVerifier {
  readonly #keys: ReturnType<typeof createLocalJWKSet>;
  readonly #audience: string;
  readonly #now: () => Date;
  readonly #remembered = new BoundedMap<string, { claims: Asserted; expiresAtMs: number }>(MAX_REMEMBERED);

  constructor(jwks: JSONWebKeySet, audience: string, now: () => Date = () => new Date()) {
    this.#keys = createLocalJWKSet(jwks);
    this.#audience = audience;
    this.#now = now;
  }

  /** The claims of `token`. Throws AssertionUntimely, or Unauthenticated: not what is wrong. */
  async verify(token: string): Promise<Asserted> {
    const digest = hash("sha256", token, "base64url"); // half the cost of a Hash object
    const known = this.#remembered.get(digest);
    if (known && known.expiresAtMs > this.#now().getTime()) return known.claims;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        algorithms: ["EdDSA"],
        typ: ASSERTION_TYPE,
        issuer: ASSERTION_ISSUER,
        audience: [this.#audience, `${this.#audience}/people`],
        requiredClaims: ["sub", "iat", "exp"],
        maxTokenAge: ASSERTION_LIFETIME_S,
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: this.#now(),
      });
      const lifetimeS = (payload.exp as number) - (payload.iat as number);
      if (lifetimeS > ASSERTION_LIFETIME_S) throw new Unauthenticated("it claims to live longer");
      const parsed = AssertionClaims.parse(payload);
      const claims = {
        ...parsed,
        permissions: new Set(parsed.scope.split(" ").filter(Boolean)),
        part: [payload.aud].flat().includes(this.#audience) ? null : ("people" as const),
      };
      this.#remembered.set(digest, { claims, expiresAtMs: (payload.exp as number) * 1000 });
      return claims;
    } catch (cause) {
      throw new (isUntimely(cause) ? AssertionUntimely : Unauthenticated)(REFUSED, { cause });
    }
  }
}

/** Whether a token's time is all that was wrong with it: time is looked at last. */
export function isUntimely(error: unknown): error is errors.JWTExpired | errors.JWTClaimValidationFailed {
  if (error instanceof errors.JWTExpired) return true;
  return (
    error instanceof errors.JWTClaimValidationFailed &&
    /^(iat|nbf|exp)$/.test(error.claim) &&
    error.reason === "check_failed"
  );
}

/** A private JWK made ready for `signAssertion`. */
export async function importAssertionKey(jwk: JWK): Promise<AssertionKey> {
  if (jwk.kty !== "OKP" || jwk.crv !== "Ed25519" || !jwk.d || !jwk.kid) {
    throw new Error("the assertion key must be a private Ed25519 JWK with a kid");
  }
  return { kid: jwk.kid, key: await importJWK(jwk, "EdDSA") };
}

/** A new pair of JWKs, `kid` being the RFC 7638 thumbprint. */
export async function newAssertionKey(): Promise<{ privateJwk: JWK; jwks: JSONWebKeySet }> {
  const { privateKey, publicKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const privateJwk = { ...(await exportJWK(privateKey)), kid, alg: "EdDSA", use: "sig" };
  return { privateJwk, jwks: publicJwksOf(privateJwk) };
}

/** What services verify with: the public half of a private JWK. */
export function publicJwksOf({ kty, crv, x, kid, alg, use }: JWK): JSONWebKeySet {
  return { keys: [{ kty, crv, x, kid, alg, use } as JWK] };
}
