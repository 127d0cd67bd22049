import { createHmac } from "node:crypto";
import { assertKey, type KeyMaterial, keyObject, lengthPrefixed } from "./bytes.ts";
import { IndexValueTooLong } from "./errors.ts";

const EXACT = lengthPrefixed("medvault/index/exact/v1");
const LAYER = lengthPrefixed("medvault/index/layer/v1");
const EXACT_BYTES = 16;
const MAX_VALUE_CODE_POINTS = 4_096;

/**
 * The form in which values are compared: NFKC, case folded, diacritics and format characters
 * removed, white space squeezed to single spaces. Normalising twice changes nothing.
 */
export function normalise(value: string): string {
  let text = value;
  // Folding can compose into something foldable again; three rounds are one more than ever seen.
  for (let round = 0; round < 3; round += 1) {
    const next = fold(text);
    if (next === text) break;
    text = next;
  }
  return text;
}

function fold(value: string): string {
  return value
    .normalize("NFKC")
    .toLowerCase()
    .toUpperCase() // on this way ß, ſ, final sigma and the like become their plain forms
    .toLowerCase()
    .normalize("NFKD")
    .replace(/[[\p{Diacritic}&&\p{M}]\p{Cf}\u0363-\u036f]/gv, "")
    .normalize("NFKC")
    .replace(/\s+/gu, " ")
    .trim();
}

/** The form in which numbers are compared: normalised, without spaces, hyphens and dots. */
export function compact(value: string): string {
  return normalise(value).replaceAll(/[\s\p{Pd}.]/gu, "");
}

/** The token of equal values: the first 16 bytes of HMAC-SHA256 over the normalised value. */
export function exactToken(indexKey: KeyMaterial, value: string): Buffer {
  assertKey(indexKey);
  const token = createHmac("sha256", keyObject(indexKey))
    .update(EXACT)
    .update(bounded(normalise(value)));
  return token.digest().subarray(0, EXACT_BYTES);
}

/** A token under one more key, 16 bytes: without that key it cannot be compared with the old. */
export function layeredToken(key: KeyMaterial, below: Buffer): Buffer {
  assertKey(key);
  return createHmac("sha256", keyObject(key)).update(LAYER).update(below).digest().subarray(0, EXACT_BYTES);
}

function bounded(text: string): string {
  if (text.length > 2 * MAX_VALUE_CODE_POINTS || [...text].length > MAX_VALUE_CODE_POINTS) {
    throw new IndexValueTooLong();
  }
  return text;
}
