import { createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import {
  FernetExpired,
  FernetForged,
  FernetFromFuture,
  FernetMalformed,
  FernetPaddingInvalid,
  KeyInvalid,
} from "./errors.ts";

/** FORMATS.md, "Fernet"; https://github.com/fernet/spec/blob/master/Spec.md */
const VERSION = 0x80;
const IV_AT = 9;
const CIPHERTEXT_AT = 25;
const BLOCK_BYTES = 16;
const HMAC_BYTES = 32;
const KEY_BYTES = 32;
const SIGNING_KEY_BYTES = 16;
const DEFAULT_CLOCK_SKEW_SECONDS = 60;
const BASE64URL = /^[A-Za-z0-9_-]+={0,2}$/;

export interface FernetOptions {
  /** The time to judge the token by. */
  readonly now: Date;
  /** Refuses a token that was made longer ago; without it a token has no age. */
  readonly maxAgeSeconds?: number;
  /** How far ahead the clock of the token's maker may be. 60 unless given. */
  readonly maxClockSkewSeconds?: number;
}

export interface OpenedFernet {
  readonly message: Buffer;
  readonly createdAt: Date;
}

/**
 * Opens a Fernet token, to move data in; MedVault never makes one. `key` is 32 bytes, or their
 * base64url as other programs keep them. The HMAC is checked, in constant time, before anything
 * that the token says is believed. Throws KeyInvalid, FernetMalformed, FernetForged,
 * FernetFromFuture, FernetExpired or FernetPaddingInvalid.
 */
export function openFernet(token: string, key: Buffer | string, options: FernetOptions): OpenedFernet {
  const keyBytes = fernetKey(key);
  try {
    const bytes = fromBase64Url(token);
    if (bytes === null || bytes.length < CIPHERTEXT_AT + BLOCK_BYTES + HMAC_BYTES)
      throw new FernetMalformed();
    const signed = bytes.subarray(0, -HMAC_BYTES);
    const hmac = createHmac("sha256", keyBytes.subarray(0, SIGNING_KEY_BYTES)).update(signed).digest();
    if (!timingSafeEqual(hmac, bytes.subarray(-HMAC_BYTES))) throw new FernetForged();
    if (signed[0] !== VERSION || (signed.length - CIPHERTEXT_AT) % BLOCK_BYTES !== 0)
      throw new FernetMalformed();
    const createdAt = judgedTime(signed.readBigUInt64BE(1), options);
    return { message: decrypt(keyBytes.subarray(SIGNING_KEY_BYTES), signed), createdAt };
  } finally {
    keyBytes.fill(0);
  }
}

/** A copy of the key's bytes, which the caller wipes. */
function fernetKey(key: Buffer | string): Buffer {
  const bytes = typeof key === "string" ? fromBase64Url(key) : Buffer.from(key);
  if (bytes?.length !== KEY_BYTES) throw new KeyInvalid();
  return bytes;
}

/** When the token was made. Throws FernetFromFuture or FernetExpired. */
function judgedTime(seconds: bigint, options: FernetOptions): Date {
  const { now, maxAgeSeconds, maxClockSkewSeconds = DEFAULT_CLOCK_SKEW_SECONDS } = options;
  const ageSeconds = now.getTime() / 1_000 - Number(seconds);
  // Written so that a time or a limit that is no number refuses.
  if (!(ageSeconds >= -maxClockSkewSeconds)) throw new FernetFromFuture();
  if (maxAgeSeconds !== undefined && !(ageSeconds <= maxAgeSeconds)) throw new FernetExpired();
  return new Date(Number(seconds) * 1_000);
}

function decrypt(key: Buffer, signed: Buffer): Buffer {
  const decipher = createDecipheriv("aes-128-cbc", key, signed.subarray(IV_AT, CIPHERTEXT_AT));
  const message = decipher.update(signed.subarray(CIPHERTEXT_AT));
  try {
    return Buffer.concat([message, decipher.final()]);
  } catch {
    throw new FernetPaddingInvalid();
  } finally {
    message.fill(0);
  }
}

/** Strictly: the one spelling of its bytes, with its padding or without, or null. */
function fromBase64Url(text: string): Buffer | null {
  if (!BASE64URL.test(text)) return null;
  const bytes = Buffer.from(text, "base64url");
  const spelling = bytes.toString("base64url");
  const padding = "=".repeat(-spelling.length & 3);
  return text === spelling || text === spelling + padding ? bytes : null;
}
