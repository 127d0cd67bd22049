import { InvalidInput } from "@medvault/contracts";

/** Headers that may come once: Node keeps the first or joins them, others may keep the last. */
const SINGLE: ReadonlySet<string> = new Set([
  "authorization",
  "content-encoding",
  "content-length",
  "content-type",
  "cookie",
  "expect",
  "host",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "if-range",
  "last-event-id",
  "origin",
  "range",
  "transfer-encoding",
  "user-agent",
  "x-csrf-token",
  "x-purpose",
  "x-request-id",
]);
/** What `Connection` may name. Another name would remove a header that the sender counts on. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "close",
  "keep-alive",
  "upgrade",
  "te",
  "trailer",
  "http2-settings",
  "proxy-connection",
]);
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/**
 * Names by which some servers take another range, method or path than the one that was checked. No
 * client of ours uses them.
 */
const TWINS: ReadonlySet<string> = new Set([
  "content-range",
  "request-range",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
]);
/** RFC 9110 14.2: many small parts are no honest download. */
const MAX_RANGES = 5;

/** Node drops headers after the first 2,000; no honest client sends a tenth of that. */
const MAX_HEADERS = 100;

/** Throws InvalidInput for headers that two servers could read differently (RFC 9110, RFC 9112). */
export function checkHeaders(rawHeaders: readonly string[]): void {
  if (rawHeaders.length > 2 * MAX_HEADERS) throw fault("The request has too many headers.");
  const seen = new Set<string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    if (SINGLE.has(name)) {
      if (seen.has(name)) throw fault("A header that may come once came twice.");
      seen.add(name);
    }
    if (TWINS.has(name)) throw fault("A header asks for another request than the one that was sent.");
    if (name === "range" && value.split(",", MAX_RANGES + 1).length > MAX_RANGES) {
      throw fault("Range asks for too many parts.");
    }
    if (name === "host" && !HOST.test(value)) throw fault("The Host header is not well-formed.");
    if (name === "transfer-encoding" && value.toLowerCase() !== "chunked") {
      throw fault("Transfer-Encoding may only be chunked.");
    }
    if (name === "connection") checkConnection(value);
  }
  if (!seen.has("host")) throw fault("The Host header is missing.");
}

function checkConnection(value: string): void {
  const options = value
    .toLowerCase()
    .split(",")
    .map((option) => option.trim());
  for (const option of options) {
    if (option && !HOP_BY_HOP.has(option)) throw fault("Connection names a header that is not hop by hop.");
  }
  if (options.includes("close") && options.includes("keep-alive")) {
    throw fault("Connection says both close and keep-alive.");
  }
}

function fault(detail: string): InvalidInput {
  return new InvalidInput(detail);
}
