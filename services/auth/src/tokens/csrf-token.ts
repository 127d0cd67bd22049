import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The CSRF token of a cookie session: bound to it, the same for its whole life, and kept nowhere (HMAC-SHA-256). */
export function csrfToken(csrfKey: Buffer, sessionId: string): string {
  return createHmac("sha256", csrfKey).update(`csrf:${sessionId}`, "utf8").digest("base64url");
}

/** Its SHA-256 in hex, which the gateway compares with: whoever reads Redis cannot forge a request by it. */
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
