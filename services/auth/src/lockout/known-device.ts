import { randomBytes, timingSafeEqual } from "node:crypto";
import { blindToken } from "../tokens/blind-token.ts";

const ID_BYTES = 16;

/** A fresh device: 16 random bytes. */
export function newDeviceId(): Buffer {
  return randomBytes(ID_BYTES);
}

/**
 * The token of a device: its id and an HMAC (16 bytes) of account and id, 43 characters of base64url. It opens nothing:
 * it gives its account's owner a lockout lane that strangers cannot fill. Revoked by deleting its row.
 */
export function deviceTokenFor(key: Buffer, userId: string, deviceId: Buffer): string {
  return Buffer.concat([deviceId, signature(key, userId, deviceId)]).toString("base64url");
}

/** The device of a token that was given out to this account; null for any other. */
export function deviceIdIn(key: Buffer, userId: string, token: string | null): Buffer | null {
  if (token === null) return null;
  const bytes = Buffer.from(token, "base64url");
  if (bytes.length !== 2 * ID_BYTES) return null;
  const deviceId = bytes.subarray(0, ID_BYTES);
  return timingSafeEqual(bytes.subarray(ID_BYTES), signature(key, userId, deviceId)) ? deviceId : null;
}

function signature(key: Buffer, userId: string, deviceId: Buffer): Buffer {
  return blindToken(key, "device", userId, deviceId.toString("hex"));
}
