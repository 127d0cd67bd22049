import { randomBytes, timingSafeEqual } from "node:crypto";
import { type Actor, DEVICE_HEADER } from "@medvault/contracts";
import { blindToken } from "../tokens/blind-token.ts";

/** Who asks, and the device token they showed: a known device guesses in a bucket of its own. */
export interface Caller extends Actor {
  readonly deviceToken?: string | null;
}

const DEVICE_TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** The actor of a request with its device token; what is no token is none. */
export function callerOf(actor: Actor, req: { get(header: string): string | undefined }): Caller {
  const given = req.get(DEVICE_HEADER);
  return { ...actor, deviceToken: given !== undefined && DEVICE_TOKEN.test(given) ? given : null };
}

const ID_BYTES = 16;

/** A fresh device: 16 random bytes. */
export function newDeviceId(): Buffer {
  return randomBytes(ID_BYTES);
}

/**
 * The token of a device: its id and an HMAC (16 bytes) of account and id, 43 characters of
 * base64url. It opens nothing: it gives its account's owner a lockout bucket that strangers cannot
 * fill. Revoked by deleting its row.
 */
export function deviceTokenFor(key: Buffer, userId: string, deviceId: Buffer): string {
  return Buffer.concat([deviceId, signature(key, userId, deviceId)]).toString("base64url");
}

/** The caller's device, if its token was given out to this account; null for any other. */
export function deviceIdOf(key: Buffer, userId: string, { deviceToken }: Caller): Buffer | null {
  const bytes = Buffer.from(deviceToken ?? "", "base64url");
  if (bytes.length !== 2 * ID_BYTES) return null;
  const deviceId = bytes.subarray(0, ID_BYTES);
  return timingSafeEqual(bytes.subarray(ID_BYTES), signature(key, userId, deviceId)) ? deviceId : null;
}

function signature(key: Buffer, userId: string, deviceId: Buffer): Buffer {
  return blindToken(key, "device", userId, deviceId.toString("hex"));
}
