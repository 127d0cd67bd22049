import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { be } from "./plain-box.ts";

/** Fernet again, from its specification. Making tokens is for the vectors: MedVault makes none. */
export interface PlainFernet {
  key: Buffer;
  seconds: number;
  iv: Buffer;
  message: Buffer;
  /** What stands where 0x80 belongs. */
  version?: number;
  /** The ciphertext, where it is not the message encrypted. */
  ciphertext?: Buffer;
}

export function plainFernet(o: PlainFernet): string {
  const cipher = createCipheriv("aes-128-cbc", o.key.subarray(16), o.iv);
  const ciphertext = o.ciphertext ?? Buffer.concat([cipher.update(o.message), cipher.final()]);
  const signed = Buffer.concat([be(o.version ?? 0x80, 1), be(o.seconds, 8), o.iv, ciphertext]);
  const hmac = createHmac("sha256", o.key.subarray(0, 16)).update(signed).digest();
  return base64url(Buffer.concat([signed, hmac]));
}

/** Opens by the page alone: the message, or the code of the refusal. */
export function plainOpenFernet(
  token: string,
  key: Buffer,
  nowSeconds: number,
  maxAgeSeconds = Number.POSITIVE_INFINITY,
  maxClockSkewSeconds = 60,
): Buffer | string {
  const bytes = Buffer.from(token, "base64url");
  const isSpelling = base64url(bytes) === token || base64url(bytes).replace(/=+$/, "") === token;
  if (!isSpelling || bytes.length < 1 + 8 + 16 + 16 + 32) return "fernet_malformed";
  const signed = bytes.subarray(0, -32);
  const hmac = createHmac("sha256", key.subarray(0, 16)).update(signed).digest();
  if (!hmac.equals(bytes.subarray(-32))) return "fernet_forged";
  if (bytes[0] !== 0x80 || bytes.length % 16 !== 73 % 16) return "fernet_malformed";
  const age = nowSeconds - Number(signed.readBigUInt64BE(1));
  if (age < -maxClockSkewSeconds) return "fernet_from_future";
  if (age > maxAgeSeconds) return "fernet_expired";
  const decipher = createDecipheriv("aes-128-cbc", key.subarray(16), signed.subarray(9, 25));
  try {
    return Buffer.concat([decipher.update(signed.subarray(25)), decipher.final()]);
  } catch {
    return "fernet_padding_invalid";
  }
}

/** RFC 4648 section 5, with padding, as tokens are spelt. */
export function base64url(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}
