import { looksLikeCommand } from "./command.ts";
import { looksLikeMarkup } from "./markup.ts";
import { formsOf } from "./normalise.ts";
import { looksLikeProtocol } from "./protocol.ts";
import { looksLikeSql } from "./sql.ts";
import { looksLikeSsrf } from "./ssrf.ts";
import { looksLikeTemplate } from "./template.ts";
import { looksLikeTraversal } from "./traversal.ts";

/**
 * What an attack is after. `protocol`: a line or a filter of another protocol (HTTP, mail, LDAP) inside of a value;
 * `ssrf`: an address inside of the server's own network; `scanner`: a client that says it is one.
 */
export const THREATS = [
  "sqli",
  "xss",
  "traversal",
  "command",
  "template",
  "ssrf",
  "protocol",
  "scanner",
] as const;
export type Threat = (typeof THREATS)[number];
type Seen = Exclude<Threat, "scanner">;

/** In this order: what reads two ways is told as the older kind. */
const IN_HEADERS: readonly (readonly [Seen, (form: string) => boolean])[] = [
  ["xss", looksLikeMarkup],
  ["traversal", looksLikeTraversal],
  ["sqli", looksLikeSql],
  ["command", looksLikeCommand],
  ["template", looksLikeTemplate],
  ["protocol", looksLikeProtocol],
];
const IN_VALUES = [...IN_HEADERS, ["ssrf", looksLikeSsrf]] as const;

/**
 * What a value of a structured field looks like, or null for nothing bad. Linear in its length, of which the first
 * 8 Ki characters are looked at. Never for clinical text: there SQL, HTML and paths are what someone wrote down.
 */
export function threatIn(value: string): Seen | null {
  return threatOf(value, IN_VALUES);
}

/** The same for a header's value, where browsers name the address that a page came from, whatever network it is in. */
export function threatInHeader(value: string): Seen | null {
  return threatOf(value, IN_HEADERS);
}

function threatOf(value: string, recognisers: typeof IN_HEADERS): Seen | null {
  for (const form of formsOf(value)) {
    for (const [kind, looksLike] of recognisers) if (looksLike(form)) return kind;
  }
  return null;
}
