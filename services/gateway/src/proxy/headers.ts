import type { IncomingHttpHeaders } from "node:http";

/** What of a client's headers a service may see. All else is dropped: credentials, cookies, identity, hop by hop. */
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
] as const;

/** What of a service's headers a client may see. */
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
  "vary",
  "www-authenticate",
]);

type Outgoing = Record<string, string>;

/** The headers of a request to a service: the allowed ones, and `own` of the gateway over them. */
export function inwardHeaders(given: IncomingHttpHeaders, own: Outgoing): Outgoing {
  const headers: Outgoing = {};
  for (const name of INWARD) {
    const value = given[name];
    if (typeof value === "string") headers[name] = value;
  }
  return { ...headers, ...own };
}

/** The headers of an answer, as pairs. With a session nothing may be kept by anyone. */
export function outwardHeaders(
  given: Record<string, string | string[] | undefined>,
  withSession: boolean,
): [string, string][] {
  const headers: [string, string][] = [];
  for (const [name, value] of Object.entries(given)) {
    if (OUTWARD.has(name) && typeof value === "string") headers.push([name, value]);
  }
  if (withSession) headers.push(["cache-control", "no-store"]);
  return headers;
}
