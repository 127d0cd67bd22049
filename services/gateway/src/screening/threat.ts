import { looksLikeCommand } from "./command.ts";
import { looksLikeMarkup } from "./markup.ts";
import { formsOf } from "./normalise.ts";
import { looksLikeProtocol } from "./protocol.ts";
import { looksLikeSql } from "./sql.ts";
import { looksLikeSsrf } from "./ssrf.ts";
import { looksLikeTemplate } from "./template.ts";
import { looksLikeTraversal } from "./traversal.ts";

/**
 * Kinds of attacks. `protocol`: a line or a filter of another protocol (HTTP, mail, LDAP) in a
 * value; `ssrf`: an address in the server's own network; `scanner`: a client that says it is one.
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

/** In this order: what matches two kinds is reported as the first. */
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
 * What a value of a structured field looks like, or null for nothing bad. Linear in its length, of
 * which the first 8 Ki characters are looked at. Never for clinical text: there SQL, HTML and paths
 * are what someone wrote down.
 */
export function threatIn(value: string): Seen | null {
  return threatOf(value, IN_VALUES);
}

/** The same for a header, where browsers name the address of a page, in whatever network it is. */
export function threatInHeader(value: string): Seen | null {
  return threatOf(value, IN_HEADERS);
}

function threatOf(value: string, recognisers: typeof IN_HEADERS): Seen | null {
  for (const form of formsOf(value)) {
    for (const [kind, looksLike] of recognisers) if (looksLike(form)) return kind;
  }
  return null;
}
