import { createHash, timingSafeEqual } from "node:crypto";
import { CSRF_HEADER, CsrfFailed } from "@medvault/contracts";
import type { Request } from "express";
import { isFromListedOrigin } from "./cors.ts";

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export function isUnsafe(method: string): boolean {
  return !SAFE.has(method);
}

/**
 * What browsers say of where an unsafe request comes from must be the page's own origin:
 * `Sec-Fetch-Site`, and `Origin` against the Host that was asked; or an origin that the operator
 * listed. A client that sends neither is no browser, and its token alone decides. Throws
 * CsrfFailed.
 */
export function assertOwnPage(req: Request): void {
  if (isFromListedOrigin(req)) return;
  const site = req.get("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none") throw new CsrfFailed();
  const origin = req.get("origin");
  if (origin !== undefined && hostOf(origin) !== req.headers.host?.toLowerCase()) throw new CsrfFailed();
}

/** Compares a CSRF token with its session's SHA-256 (hex), in constant time. Throws CsrfFailed. */
export function assertCsrfToken(req: Request, expectedHash: string): void {
  const given = createHash("sha256")
    .update(req.get(CSRF_HEADER) ?? "", "utf8")
    .digest();
  const expected = Buffer.from(expectedHash, "hex");
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) throw new CsrfFailed();
}

/** Host and port of an origin; null for `null` and what is no origin. */
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host || null : null;
}
