import { looksLikeMarkup } from "./markup.ts";
import { formsOf } from "./normalise.ts";
import { looksLikeSql } from "./sql.ts";
import { looksLikeTraversal } from "./traversal.ts";

/** What an attack is after. `scanner`: a client that says it is one. */
export const THREATS = ["sqli", "xss", "traversal", "scanner"] as const;
export type Threat = (typeof THREATS)[number];

/**
 * What a value of a structured field looks like, or null for nothing bad. Linear in its length, of which the first
 * 8 Ki characters are looked at. Never for clinical text: there SQL, HTML and paths are what someone wrote down.
 */
export function threatIn(value: string): Exclude<Threat, "scanner"> | null {
  for (const form of formsOf(value)) {
    if (looksLikeMarkup(form)) return "xss";
    if (looksLikeTraversal(form)) return "traversal";
    if (looksLikeSql(form)) return "sqli";
  }
  return null;
}
