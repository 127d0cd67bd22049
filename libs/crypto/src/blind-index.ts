import { createHmac } from "node:crypto";
import { assertKey, type KeyMaterial, keyObject, lengthPrefixed } from "./bytes.ts";
import { IndexValueTooLong } from "./errors.ts";

const EXACT = lengthPrefixed("medvault/index/exact/v1");
const LAYER = lengthPrefixed("medvault/index/layer/v1");
const GRAM = "medvault/index/gram/v1";
const EXACT_BYTES = 16;
const GRAM_CODE_POINTS = 3;
const PREFIX_CODE_POINTS = 2;
const MAX_VALUE_CODE_POINTS = 4_096;

/**
 * Bits kept of a gram's token. At 12 there are 4,096 tokens for the some 20,000 grams that Latin
 * text could have, so that a token stands for several; a lower number makes single tokens less
 * telling and costs more false candidates. It is no protection from a reader who knows the
 * vocabulary (docs/threat-model.md has the measurement).
 */
const DEFAULT_GRAM_BITS = 12;

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
    .update(bounded(normalise(value)).text);
  return token.digest().subarray(0, EXACT_BYTES);
}

/** A token under one more key, 16 bytes: without that key it cannot be compared with the old. */
export function layeredToken(key: KeyMaterial, below: Buffer): Buffer {
  assertKey(key);
  return createHmac("sha256", keyObject(key)).update(LAYER).update(below).digest().subarray(0, EXACT_BYTES);
}

/**
 * The tokens of a value for substring search, as decimal strings for a Postgres bigint[]: one for
 * every three consecutive characters of the normalised value, and one for the first one and two
 * characters of every word. Sorted, each once, so that they do not show the order of the text.
 */
export function trigramTokens(indexKey: KeyMaterial, value: string, bits = DEFAULT_GRAM_BITS): string[] {
  const { text, points } = bounded(normalise(value));
  const grams = new Set<string>(trigrams(points));
  for (const word of text.split(" ")) {
    const letters = [...word];
    for (let n = 1; n <= Math.min(PREFIX_CODE_POINTS, letters.length); n += 1) {
      grams.add(`^${letters.slice(0, n).join("")}`);
    }
  }
  return tokens(indexKey, grams, bits);
}

/**
 * The tokens that every value containing `part` has. A part of one or two characters finds the
 * beginnings of words. An empty part gives no tokens (and so would match all: callers refuse it).
 */
export function trigramQueryTokens(indexKey: KeyMaterial, part: string, bits = DEFAULT_GRAM_BITS): string[] {
  const { text, points } = bounded(normalise(part));
  if (points.length === 0) return [];
  const grams = points.length < GRAM_CODE_POINTS ? [`^${text}`] : trigrams(points);
  return tokens(indexKey, new Set(grams), bits);
}

/** Whether a value contains a part (one or two characters: has a word that begins with it). */
export function containsPart(value: string, part: string): boolean {
  const whole = normalise(value);
  const normalised = normalise(part);
  if (normalised === "") return false;
  if ([...normalised].length >= GRAM_CODE_POINTS) return whole.includes(normalised);
  return whole.split(" ").some((word) => word.startsWith(normalised));
}

function trigrams(points: readonly string[]): string[] {
  const grams: string[] = [];
  for (let at = 0; at + GRAM_CODE_POINTS <= points.length; at += 1) {
    grams.push(points.slice(at, at + GRAM_CODE_POINTS).join(""));
  }
  return grams;
}

function tokens(indexKey: KeyMaterial, grams: ReadonlySet<string>, bits: number): string[] {
  assertKey(indexKey);
  if (!Number.isInteger(bits) || bits < 8 || bits > 48) throw new RangeError("gram tokens have 8 to 48 bits");
  const domain = lengthPrefixed(GRAM, String(bits)); // each truncation is another index
  const hmacKey = keyObject(indexKey);
  const found = new Set<number>();
  for (const gram of grams) {
    const digest = createHmac("sha256", hmacKey).update(domain).update(gram).digest();
    found.add(Math.floor(digest.readUIntBE(0, 6) / 2 ** (48 - bits)));
  }
  return [...found].sort((a, b) => a - b).map(String);
}

function bounded(text: string): { text: string; points: string[] } {
  if (text.length > 2 * MAX_VALUE_CODE_POINTS) throw new IndexValueTooLong();
  const points = [...text];
  if (points.length > MAX_VALUE_CODE_POINTS) throw new IndexValueTooLong();
  return { text, points };
}
