import { exactToken } from "@medvault/keys";

/**
 * Keyed tokens (16 bytes of an HMAC) of what must be recognised and not read: where a user signs in
 * from, which lockout bucket an attempt belongs to, recovery codes. `kind` keeps the kinds apart
 * under the one key.
 */
export function blindToken(key: Buffer, kind: string, ...parts: readonly string[]): Buffer {
  return exactToken(key, [kind, ...parts].map((part) => `${part.length}:${part}`).join(" "));
}
