import { createHash, randomBytes } from "node:crypto";

/** A token that says nothing: 256 random bits, and the hash under which it is kept. */
export interface OpaqueToken {
  /** base64url, 43 characters; given out once and kept nowhere. */
  token: string;
  hash: Buffer;
}

/** Makes a token. */
export function newOpaqueToken(): OpaqueToken {
  const token = randomBytes(32).toString("base64url");
  return { token, hash: hashOpaqueToken(token) };
}

/** SHA-256 suffices: among 2^256 tokens there is nothing to guess, so a slow hash would protect nothing. */
export function hashOpaqueToken(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}
