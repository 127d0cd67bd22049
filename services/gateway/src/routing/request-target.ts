import { InvalidInput } from "@medvault/contracts";

/** What nearly every target is: nothing in it has a second reading. */
const PLAIN = /^(?:\/[A-Za-z0-9_-]+)+$/;
const PATH = /^(\/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)+$/;
/** Encoded slash, backslash, NUL and other controls: decoders behind us may differ on them. */
const ENCODED = /%(2f|5c|0[0-9a-f]|1[0-9a-f]|7f)/i;

/**
 * Spaces and controls, plain or encoded: no query needs them, and a line end can split a header.
 */
const UNSOUND = /[^\x21-\x7e]|%(?:[01][0-9a-f]|7f)/i;

/**
 * The path and query of a request, taken apart once. Throws InvalidInput for what two parsers could
 * read in two ways: absolute URLs, `//`, `.` and `..` (also encoded), encoded slashes and controls,
 * broken percent-encoding.
 */
export function requestTarget(url: string): { path: string; query: string } {
  if (PLAIN.test(url)) return { path: url, query: "" };
  const at = url.indexOf("?");
  const path = at === -1 ? url : url.slice(0, at);
  const query = at === -1 ? "" : url.slice(at);
  if (!PATH.test(path) || path.includes("//") || ENCODED.test(path) || UNSOUND.test(query)) throw bad();
  try {
    const segments = decodeURIComponent(path).split("/");
    if (segments.includes("..") || segments.includes(".")) throw bad();
    decodeURIComponent(query.replaceAll("+", " "));
  } catch {
    throw bad();
  }
  return { path, query };
}

function bad(): InvalidInput {
  return new InvalidInput("The request's path or query is not well-formed.");
}
