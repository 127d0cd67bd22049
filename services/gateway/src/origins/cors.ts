import { Forbidden } from "@medvault/contracts";
import type { Request, RequestHandler, Response } from "express";

const MAX_AGE_S = 600;
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
/** Headers that pages may send, besides those that every page may. */
const TAKEN =
  "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Last-Event-ID, Range, traceparent, X-CSRF-Token, X-Device-Token, X-Purpose, X-Request-Id, X-Session-Transport";
/** Headers that pages may read, besides those that every page may. */
const SHOWN =
  "Content-Disposition, Content-Range, ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Audit, X-Request-Id";

/** Throws for anything but origins (`https://console.example`), so also for `*` and `null`. */
export function originsOf(list: string): ReadonlySet<string> {
  const origins = new Set<string>();
  for (const origin of list.split(",").map((part) => part.trim())) {
    if (origin === "") continue;
    const isOrigin =
      URL.canParse(origin) &&
      new URL(origin).origin === origin &&
      /^https?:\/\/[a-z0-9.:[\]-]+$/.test(origin);
    if (!isOrigin) throw new Error("MEDVAULT_CORS_ORIGINS holds something that is no origin");
    origins.add(origin);
  }
  return origins;
}

const listed = new WeakSet<Request>();

/** Whether a page of a listed origin sent this. */
export function isFromListedOrigin(req: Request): boolean {
  return listed.has(req);
}

/**
 * Cross-origin access for the pages of listed origins, with their cookies; for no other page by
 * default (Fetch standard, "CORS protocol"). Preflights end here. A request of another origin goes
 * on without these headers: its browser keeps the answer from the page, and what it may do at all
 * is decided by token or CSRF token, never by an origin.
 */
export function cors(list: string): RequestHandler {
  const origins = originsOf(list);
  return (req, res, next) => {
    const origin = req.headers.origin;
    if (origins.size > 0) res.setHeader("Vary", "Origin");
    if (origin !== undefined && origins.has(origin)) {
      listed.add(req);
      letIn(res, origin);
    }
    if (req.method !== "OPTIONS" || req.headers["access-control-request-method"] === undefined) return next();
    if (!listed.has(req)) throw new Forbidden("This origin is not allowed.");
    res.setHeader("Access-Control-Allow-Methods", METHODS);
    res.setHeader("Access-Control-Allow-Headers", TAKEN);
    res.setHeader("Access-Control-Max-Age", MAX_AGE_S);
    res.status(204).end();
  };
}

function letIn(res: Response, origin: string): void {
  res.setHeader("Access-Control-Allow-Origin", origin);
  res.setHeader("Access-Control-Allow-Credentials", "true");
  res.setHeader("Access-Control-Expose-Headers", SHOWN);
}
