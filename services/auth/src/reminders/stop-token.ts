import { timingSafeEqual } from "node:crypto";
import { REMINDERS, type Reminder } from "@medvault/contracts";
import { blindToken } from "../tokens/blind-token.ts";

const ID_BYTES = 16;
const MAC_BYTES = 16;

/**
 * What a link to stop reminders holds: of whom, of which kind, and 128 bits of an HMAC of both
 * under a key of this service. It opens nothing else, and stays good: that of an old mail works.
 */
export function stopToken(key: Buffer, userId: string, kind: Reminder): string {
  const id = Buffer.from(userId.replaceAll("-", ""), "hex");
  return Buffer.concat([Buffer.from([REMINDERS.indexOf(kind)]), id, macOf(key, userId, kind)]).toString(
    "base64url",
  );
}

/** Whose reminders of which kind a token stops; null for one that this service did not make. */
export function readStopToken(key: Buffer, token: string): { userId: string; kind: Reminder } | null {
  const bytes = Buffer.from(token, "base64url");
  const kind = REMINDERS[bytes[0] ?? -1];
  if (bytes.length !== 1 + ID_BYTES + MAC_BYTES || !kind || bytes.toString("base64url") !== token)
    return null;
  const hex = bytes.subarray(1, 1 + ID_BYTES).toString("hex");
  const userId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const isOurs = timingSafeEqual(bytes.subarray(1 + ID_BYTES), macOf(key, userId, kind));
  return isOurs ? { userId, kind } : null;
}

const macOf = (key: Buffer, userId: string, kind: Reminder): Buffer =>
  blindToken(key, "stop reminders", kind, userId);
