import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The CSRF token of a cookie session (HMAC-SHA-256): the same for its whole life, kept nowhere. */
export function csrfToken(csrfKey: Buffer, sessionId: string): string {
  return createHmac("sha256", csrfKey).update(`csrf:${sessionId}`, "utf8").digest("base64url");
}

/** Its SHA-256 in hex, for the gateway: anyone who reads Redis cannot forge a request by it. */
export function csrfHash(csrfKey: Buffer, sessionId: string): string {
  return createHash("sha256").update(csrfToken(csrfKey, sessionId), "utf8").digest("hex");
}

/** Compares in constant time. */
export function csrfMatches(csrfKey: Buffer, sessionId: string, given: string | undefined): boolean {
  const [expected, actual] = [csrfToken(csrfKey, sessionId), given ?? ""].map((token) =>
    createHash("sha256").update(token, "utf8").digest(),
  ) as [Buffer, Buffer];
  return timingSafeEqual(expected, actual);
}
