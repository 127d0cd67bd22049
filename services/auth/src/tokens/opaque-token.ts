import { createHash, randomBytes } from "node:crypto";

/** A token that says nothing: random bytes, and the hash under which it is kept. */
export interface OpaqueToken {
  /** base64url; given out once and kept nowhere. */
  token: string;
  hash: Buffer;
}

/** The default length; settings may choose another, not under 16. */
const OPAQUE_TOKEN_BYTES = 32;

/** Makes a token of so many bytes. */
export function newOpaqueToken(bytes: number = OPAQUE_TOKEN_BYTES): OpaqueToken {
  const token = randomBytes(bytes).toString("base64url");
  return { token, hash: hashOpaqueToken(token) };
}

/** SHA-256 suffices: among 2^128 tokens there is nothing to guess, fast or slow. */
export function hashOpaqueToken(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
