import { createHmac } from "node:crypto";
import { assertKey, type KeyMaterial, keyObject, lengthPrefixed } from "./bytes.ts";

/**
 * A 32-byte HMAC-SHA256 over length-prefixed parts, for what must be known again to the letter and
 * not be read or guessed: tokens, codes, addresses. Unlike exactToken it normalises nothing.
 * `purpose` keeps the uses of one key apart.
 */
export function keyedHash(key: KeyMaterial, purpose: string, ...parts: readonly (string | Buffer)[]): Buffer {
  assertKey(key);
  return createHmac("sha256", keyObject(key))
    .update(lengthPrefixed("medvault/keyed-hash/v1", purpose, ...parts))
    .digest();
}
