import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Suite } from "./suites.ts";

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const COMMITMENT_BYTES = 32;

const TAG = { authTagLength: TAG_BYTES } as const;

/** Encrypts in one go: writes ciphertext and tag to `out` from `at` on. */
export function aeadSealInto(
  suite: Suite,
  key: Buffer,
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
  cipher.update(plaintext).copy(out, at);
  cipher.final();
  cipher.getAuthTag().copy(out, at + plaintext.length);
}

/** Decrypts `sealed` = ciphertext, tag. Returns null when it was changed; nothing is released before the tag is checked. */
export function aeadOpen(
  suite: Suite,
  key: Buffer,
  nonce: Buffer,
  aad: Buffer,
  sealed: Buffer,
): Buffer | null {
  const length = sealed.length - TAG_BYTES;
  const decipher =
    suite === "aes-256-gcm"
      ? createDecipheriv("aes-256-gcm", key, nonce, TAG)
      : createDecipheriv("chacha20-poly1305", key, nonce, TAG);
  decipher.setAuthTag(sealed.subarray(length));
  decipher.setAAD(aad, { plaintextLength: length });
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    return null;
  }
  return plaintext;
}
