import { createCipheriv, createDecipheriv, type KeyObject, randomFillSync } from "node:crypto";
import type { Suite } from "./suites.ts";

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const COMMITMENT_BYTES = 32;

// Asking for 12 random bytes costs 2 µs, asking for 3 KiB hardly more.
const noncePool = Buffer.allocUnsafeSlow(256 * NONCE_BYTES);
let nonceAt = noncePool.length;

/** Twelve random bytes, handed out once. A view that is good until 256 more were asked for. */
export function freshNonce(): Buffer {
  if (nonceAt === noncePool.length) {
    randomFillSync(noncePool);
    nonceAt = 0;
  }
  const nonce = noncePool.subarray(nonceAt, nonceAt + NONCE_BYTES);
  nonceAt += NONCE_BYTES;
  return nonce;
}

const TAG = { authTagLength: TAG_BYTES } as const;

/** Encrypts in one go: writes ciphertext and tag to `out` from `at` on. */
export function aeadSealInto(
  suite: Suite,
  key: KeyObject,
  nonce: Buffer,
  aad: Buffer,
  plaintext: Buffer,
  out: Buffer,
  at: number,
): void {
  // Two branches, because node's types know which ciphers have tags only by a literal name.
  const cipher =
    suite === "aes-256-gcm"
      ? createCipheriv("aes-256-gcm", key, nonce, TAG)
      : createCipheriv("chacha20-poly1305", key, nonce, TAG);
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  out.set(cipher.update(plaintext), at);
  cipher.final();
  out.set(cipher.getAuthTag(), at + plaintext.length);
}

/** Decrypts `sealed` (ciphertext, tag) from `at`. Null if changed: no byte leaves unchecked. */
export function aeadOpen(
  suite: Suite,
  key: KeyObject,
  nonce: Buffer,
  aad: Buffer,
  sealed: Buffer,
  at: number,
): Buffer | null {
  const end = sealed.length - TAG_BYTES;
  const decipher =
    suite === "aes-256-gcm"
      ? createDecipheriv("aes-256-gcm", key, nonce, TAG)
      : createDecipheriv("chacha20-poly1305", key, nonce, TAG);
  decipher.setAuthTag(sealed.subarray(end));
  decipher.setAAD(aad, { plaintextLength: end - at });
  const plaintext = decipher.update(sealed.subarray(at, end));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    return null;
  }
  return plaintext;
}
