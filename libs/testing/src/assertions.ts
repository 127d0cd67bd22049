import type { Actor } from "@medvault/contracts";
import {
  type AssertionKey,
  AssertionVerifier,
  type Claims,
  importAssertionKey,
  newAssertionKey,
  signAssertion,
} from "@medvault/service-kit";

const EVERY_SERVICE = ["auth", "records", "files", "audit", "backup"];

export interface TestAssertions {
  /** The gateway's private key, for `signAssertion`. */
  key: AssertionKey;
  /** Its public keys, as MEDVAULT_ASSERTION_JWKS_FILE holds them. */
  jwks: ConstructorParameters<typeof AssertionVerifier>[0];
  /** What `createApp` of that service takes. */
  verifier(service: string): AssertionVerifier;
  /** An assertion in this actor's name; default audience: every service. */
  sign(actor: Actor, audience?: string[]): Promise<string>;
}

let made: Promise<TestAssertions> | undefined;

/** The test gateway's key, one per process, so that apps and clients of a test file agree. */
export function testAssertions(): Promise<TestAssertions> {
  made ??= make();
  return made;
}

async function make(): Promise<TestAssertions> {
  const { privateJwk, jwks } = await newAssertionKey();
  const key = await importAssertionKey(privateJwk);
  return {
    key,
    jwks,
    verifier: (service) => new AssertionVerifier(jwks, service),
    sign: (actor, audience = EVERY_SERVICE) => signAssertion(key, claimsOf(actor), audience),
  };
}

/** What the gateway would assert of this actor. */
function claimsOf(actor: Actor): Claims {
  return {
    sub: actor.id,
    role: actor.role,
    sid: actor.sessionId,
    scope: [...actor.permissions].join(" "),
    auth_time: actor.authTime,
    amr: actor.amr,
    ip: actor.ip,
    ua: actor.userAgent,
  };
}
