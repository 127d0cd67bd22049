import type { SpentToken } from "./refresh-token.store.ts";

/** openapi.json: how long the same client may knock twice without harm. */
const SUPERSEDED_MS = 10_000;

/**
 * What a second use of a refresh token means. The same client within 10 s, whose new token nobody
 * has used yet, is a retry (two tabs, a lost answer); anything else is a copy in somebody's hands.
 */
export function judgeSecondUse(token: SpentToken, usedBy: Buffer, now: Date): "superseded" | "reused" {
  const recent = token.usedAt !== null && now.getTime() - token.usedAt.getTime() <= SUPERSEDED_MS;
  const sameClient = token.usedBy?.equals(usedBy) ?? false;
  return recent && sameClient && !token.successorUsed ? "superseded" : "reused";
}
