import type { IncomingHttpHeaders, ServerResponse } from "node:http";

/** Which of a client's headers a service sees. All others are dropped: credentials, hop by hop… */
const INWARD = [
  "accept",
  "content-type",
  "content-length",
  "range",
  "if-match",
  "if-none-match",
  "if-range",
  "idempotency-key",
  "last-event-id",
  "prefer",
] as const;

/** Which of a service's headers a client sees. */
const OUTWARD: ReadonlySet<string> = new Set([
  "accept-ranges",
  "cache-control",
  "content-disposition",
  "content-language",
  "content-length",
  "content-range",
  "content-type",
  "etag",
  "idempotency-replayed",
  "last-modified",
  "location",
  "retry-after",
  "www-authenticate",
  "x-accel-buffering",
]);

type Outgoing = Record<string, string>;

/** The headers of a request to a service: `own`, and the allowed ones of the client's. */
export function inwardHeaders(given: IncomingHttpHeaders, own: Outgoing): Outgoing {
  for (const name of INWARD) {
    const value = given[name];
    if (typeof value === "string") own[name] ??= value;
  }
  return own;
}

/**
 * Puts the allowed headers of a service's answer on ours. With a session nothing may be cached.
 * Throws for a value that no header may have, and leaves none of them then.
 */
export function copyHeaders(given: IncomingHttpHeaders, res: ServerResponse, withSession: boolean): void {
  for (const name in given) {
    if (!OUTWARD.has(name) || (withSession && name === "cache-control")) continue;
    const value = given[name];
    if (typeof value !== "string") continue;
    try {
      res.setHeader(name, value);
    } catch (error) {
      for (const set in given) if (OUTWARD.has(set)) res.removeHeader(set);
      throw error;
    }
  }
  if (withSession) res.setHeader("cache-control", "no-store");
}
