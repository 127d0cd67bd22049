/**
 * An id as four numbers of 32 bits, highest first: compared one after another they are in the
 * order that Postgres gives to uuids.
 */
export type IdWords = Uint32Array;

const DIGITS = 32;
const HYPHEN = 45;

/** Reads an id as text (`8-4-4-4-12` hexadecimal digits) into `id`. Throws RangeError. */
export function readId(text: string, id: IdWords): void {
  let digits = 0;
  let word = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === HYPHEN) continue;
    const value = digitOf(code);
    if (value < 0 || digits === DIGITS) throw new RangeError("an id has 32 hexadecimal digits");
    word = (word << 4) | value;
    digits += 1;
    if (digits % 8 === 0) id[digits / 8 - 1] = word;
  }
  if (digits !== DIGITS) throw new RangeError("an id has 32 hexadecimal digits");
}

function digitOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** The id that begins at `at` of a column of ids, as text. */
export function writeId(ids: Uint32Array, at: number): string {
  let hex = "";
  for (let n = 0; n < 4; n += 1) hex += (ids[at + n] as number).toString(16).padStart(8, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** 32 bits that differ for ids that differ in whatever bits. */
export function hashId(ids: Uint32Array, at: number): number {
  let hash = 0;
  for (let n = 0; n < 4; n += 1) hash = mix(hash ^ (ids[at + n] as number));
  return hash >>> 0;
}

/** The last step of MurmurHash3: each bit of what goes in changes half of what comes out. */
export function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
