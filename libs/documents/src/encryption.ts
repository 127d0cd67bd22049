import { createCipheriv, createHash, randomBytes } from "node:crypto";
import type { Encryption } from "./packages.ts";

/**
 * Makes an AES-256 encryption of pdfkit (revision 5: one SHA-256 between a guess and its answer)
 * that of PDF 2.0 (revision 6, ISO 32000-2, 7.6.4): 64 rounds or more of SHA-2 and AES for each.
 * Passwords are UTF-8 in NFKC, at most 127 bytes.
 */
export function harden({ encryptionKey, dictionary }: Encryption, password: string, owner: string): void {
  const user = entries(passwordBytes(password), Buffer.alloc(0), encryptionKey);
  const owners = entries(passwordBytes(owner), user.check, encryptionKey);
  Object.assign(dictionary.data, { R: 6, U: user.check, UE: user.key, O: owners.check, OE: owners.key });
}

const passwordBytes = (password: string): Buffer => Buffer.from(password.normalize("NFKC"), "utf8");

/** The 48 bytes that check a password, and the file's key under it. */
function entries(password: Buffer, check: Buffer, fileKey: Uint8Array) {
  const [checkSalt, keySalt] = [randomBytes(8), randomBytes(8)];
  const cipher = createCipheriv("aes-256-cbc", hash(password, keySalt, check), Buffer.alloc(16));
  const key = cipher.setAutoPadding(false).update(fileKey);
  return { check: Buffer.concat([hash(password, checkSalt, check), checkSalt, keySalt]), key };
}

/** Algorithm 2.B. */
function hash(password: Buffer, salt: Buffer, user: Buffer): Buffer {
  let k = createHash("sha256").update(password).update(salt).update(user).digest();
  for (let round = 0; ; round += 1) {
    const one = Buffer.concat([password, k, user]);
    const repeated = Buffer.concat(Array.from({ length: 64 }, () => one));
    const cipher = createCipheriv("aes-128-cbc", k.subarray(0, 16), k.subarray(16, 32));
    const e = cipher.setAutoPadding(false).update(repeated);
    const sum = e.subarray(0, 16).reduce((all, byte) => all + byte, 0) % 3;
    k = createHash(["sha256", "sha384", "sha512"][sum] as string)
      .update(e)
      .digest();
    if (round >= 63 && (e.at(-1) ?? 0) <= round - 31) return k.subarray(0, 32);
  }
}
