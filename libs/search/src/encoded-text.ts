import { bounded } from "./folding.ts";
import { mix } from "./id-words.ts";

/** 4,000 characters of 4 bytes, and some for what is cut. */
const MAX_TEXT_BYTES = 16_384;
const A = 97;
const LETTERS = 26;
const SPACE = 32;
/** In so few bytes it is faster to look at each place than to be clever. */
const SHORT_BYTES = 64;

/**
 * A text in UTF-8, and what its bytes are known by: a bit for each letter from a to z that is in it
 * and one of six for each other byte, and one of 32 for each two bytes of a word. What is part of a
 * text has no bit that the text has not.
 */
export class EncodedText {
  readonly bytes = Buffer.alloc(MAX_TEXT_BYTES);
  length = 0;
  letters = 0;
  pairs = 0;

  set(text: string): this {
    this.length = encode(bounded(text), this.bytes);
    return this;
  }

  /** Says by what its bytes are known. */
  sign(): this {
    this.letters = 0;
    this.pairs = 0;
    let before = SPACE;
    for (let at = 0; at < this.length; at += 1) {
      const byte = this.bytes[at] as number;
      if (byte !== SPACE) {
        this.letters |= letterBit(byte);
        if (before !== SPACE) this.pairs |= 1 << (Math.imul((before << 8) | byte, 0x9e37_79b1) >>> 27);
      }
      before = byte;
    }
    return this;
  }

  /** Nothing of it stays in memory. */
  clear(): void {
    this.bytes.fill(0, 0, this.length);
    this.length = 0;
  }

  hash(): number {
    let hash = this.length;
    for (let at = 0; at < this.length; at += 1)
      hash = Math.imul(hash ^ (this.bytes[at] as number), 0x0100_0193);
    return mix(hash) >>> 0;
  }
}

const letterBit = (byte: number): number =>
  1 << (byte >= A && byte < A + LETTERS ? byte - A : LETTERS + (byte % 6));

function encode(text: string, bytes: Buffer): number {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 127) return bytes.write(text);
    bytes[at] = code;
  }
  return text.length;
}

const WORD = new EncodedText();

/** A word, made ready to be looked for in many texts. */
export class Needle {
  readonly bytes: Uint8Array;
  readonly letters: number;
  readonly pairs: number;
  /** It is one of the letters from a to z: their bits tell all. */
  readonly isLetter: boolean;
  /** Per byte, how many of the first are the last before it, too (Knuth, Morris and Pratt). */
  readonly #resume: Uint16Array;

  constructor(word: string) {
    const { bytes, length, letters, pairs } = WORD.set(word).sign();
    this.bytes = Uint8Array.from(bytes.subarray(0, length));
    this.letters = letters;
    this.pairs = pairs;
    WORD.clear();
    this.isLetter = /^[a-z]$/.test(word);
    this.#resume = resumeOf(this.bytes);
  }

  /** Whether it is in these bytes; in time that grows with their number alone. */
  isIn(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start > SHORT_BYTES) return this.#isInLong(bytes, start, end);
    const word = this.bytes;
    const first = word[0];
    const { length } = word;
    const last = end - length;
    for (let at = start; at <= last; at += 1) {
      if (bytes[at] !== first) continue;
      let same = 1;
      while (same < length && bytes[at + same] === word[same]) same += 1;
      if (same >= length) return true;
    }
    return false;
  }

  #isInLong(bytes: Uint8Array, start: number, end: number): boolean {
    const word = this.bytes;
    const resume = this.#resume;
    let matched = 0;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at];
      while (matched > 0 && word[matched] !== byte) matched = resume[matched - 1] as number;
      if (word[matched] === byte) matched += 1;
      if (matched === word.length) return true;
    }
    return false;
  }
}

function resumeOf(word: Uint8Array): Uint16Array {
  const resume = new Uint16Array(word.length);
  let matched = 0;
  for (let at = 1; at < word.length; at += 1) {
    while (matched > 0 && word[matched] !== word[at]) matched = resume[matched - 1] as number;
    if (word[matched] === word[at]) matched += 1;
    resume[at] = matched;
  }
  return resume;
}
