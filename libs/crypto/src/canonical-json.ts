import canonicalize from "canonicalize";
import { NotCanonicalJson } from "./errors.ts";

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Canonical JSON (RFC 8785): sorted keys, one form for every number and string, no white space.
 * Members that are undefined are left out, as JSON.stringify does. Throws NotCanonicalJson.
 */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch {
    throw new NotCanonicalJson(); // the library's message may quote the value
  }
  if (text === undefined) throw new NotCanonicalJson();
  return text;
}
