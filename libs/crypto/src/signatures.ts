import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { lengthPrefixed } from "./bytes.ts";
import { KeyInvalid } from "./errors.ts";

/** An Ed25519 public key as a JWK (RFC 8037). */
export interface Ed25519PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
}

const SEED_BYTES = 32;
// RFC 8410: PrivateKeyInfo with id-Ed25519 and a 32-byte OCTET STRING; only the seed follows.
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** A fresh Ed25519 seed: the 32 bytes that are the private key (RFC 8032). */
export function generateSeed(): Buffer {
  return randomBytes(SEED_BYTES);
}

/** The private key of a seed. Throws KeyInvalid unless the seed is 32 bytes. */
export function privateKeyOf(seed: Buffer): KeyObject {
  if (seed.length !== SEED_BYTES) throw new KeyInvalid();
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  } finally {
    der.fill(0);
  }
}

/** The public half, as a JWK. */
export function publicJwkOf(key: KeyObject): Ed25519PublicJwk {
  const jwk = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  if (jwk.kty !== "OKP" || jwk.crv !== "Ed25519" || typeof jwk.x !== "string") throw new KeyInvalid();
  return { kty: "OKP", crv: "Ed25519", x: jwk.x };
}

/** A public key from its JWK. Throws KeyInvalid for any other kind of key. */
export function publicKeyOf(jwk: Ed25519PublicJwk): KeyObject {
  if (jwk.kty !== "OKP" || jwk.crv !== "Ed25519" || Buffer.from(jwk.x, "base64url").length !== SEED_BYTES) {
    throw new KeyInvalid();
  }
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: jwk.x }, format: "jwk" });
}

/** The key's name: its RFC 7638 thumbprint, base64url. */
export function thumbprintOf(jwk: Ed25519PublicJwk): string {
  const canonical = `{"crv":"Ed25519","kty":"OKP","x":"${jwk.x}"}`;
  return createHash("sha256").update(canonical).digest("base64url");
}

/** An Ed25519 signature (RFC 8032, pure), 64 bytes. */
export function signEd25519(privateKey: KeyObject, message: Buffer): Buffer {
  if (privateKey.asymmetricKeyType !== "ed25519") throw new KeyInvalid();
  return signBytes(null, message, privateKey);
}

/** Whether the signature is that of the message. False for every malformed one. */
export function verifyEd25519(publicKey: KeyObject, message: Buffer, signature: Buffer): boolean {
  if (publicKey.asymmetricKeyType !== "ed25519") throw new KeyInvalid();
  return signature.length === 64 && verifyBytes(null, message, publicKey, signature);
}

/**
 * The bytes to sign for a statement: its purpose and its parts, length-prefixed, so that no
 * signature made for one purpose is good for another. FORMATS.md, "Signed statement".
 */
export function statement(purpose: string, ...parts: readonly (string | Buffer)[]): Buffer {
  return lengthPrefixed("medvault/statement/v1", purpose, ...parts);
}
