const WORTH_READING = /:\/|https?:|^(?:localhost|ip6-|host\.docker|lvh\.|metadata\.)/;

const INSIDE =
  "(?:localhost\\d?|ip6-(?:localhost|loopback)|(?:[a-z0-9-]{1,60}\\.){0,4}(?:lvh\\.me|nip\\.io|sslip\\.io|xip\\.io|localtest\\.me|docker\\.internal|localhost|localdomain)|metadata(?:\\.google)?\\.internal|kubernetes\\.default(?:\\.svc)?)";
const V4 =
  "(?:127\\.|10\\.|0\\.|192\\.168\\.|169\\.254\\.|172\\.(?:1[6-9]|2\\d|3[01])\\.|100\\.100\\.100\\.)\\d{1,3}(?:\\.\\d{1,3}){0,2}";
/** Addresses as no one writes them: one number, hexadecimal, octal. */
const ODD = "(?:0x[0-9a-f]{1,8}(?:\\.0x[0-9a-f]{1,8}){0,3}|0\\d{1,10}(?:\\.\\d{1,11}){1,3}|\\d{8,10})";

const RULES = [
  new RegExp(
    `[a-z][a-z0-9+.-]{1,20}://(?:[^/@\\s]{0,60}@)?(?:${INSIDE}|${V4}|${ODD}|\\[[0-9a-f:.%]{2,60}\\])\\.?(?:$|[:/?#\\s"'<])`,
  ),
  new RegExp(`https?:/?${ODD}(?:$|[:/?#\\s"'])`),
  new RegExp(`^${INSIDE}(?::\\d{1,5})?/`),
];

/**
 * Whether a form of a value (lower case) is an address that a server would fetch from inside of its
 * own network. Not for headers: a clinic's own pages may well be served from such an address, and
 * browsers name it.
 */
export function looksLikeSsrf(text: string): boolean {
  return WORTH_READING.test(text) && RULES.some((rule) => rule.test(text));
}
