import { createHmac } from "node:crypto";

/**
 * The password of a role or user that all test processes of one server share: derived from the
 * administrator's, so that they agree without a file, and worth nothing elsewhere.
 */
export function sharedPassword(server: URL, name: string): string {
  return createHmac("sha256", `medvault test ${server.password}`).update(name).digest("base64url");
}
