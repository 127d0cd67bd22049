/**
 * What a character looks like. `Pa$$w0rd` and `password` are one, and so are i, l, 1, ! and |:
 * words are kept and looked up in this form, so that no reading of a look-alike has to be tried.
 */
const LOOK_ALIKES: Readonly<Record<string, string>> = {
  ...{ "0": "o", "1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g" },
  ...{ "@": "a", $: "s", "!": "i", "|": "i", l: "i", "+": "t", "(": "c", "€": "e" },
};

/** A letter without its accents, in lower case. */
export function plainLetter(character: string): string {
  return [...character.toLowerCase().normalize("NFKD")][0] ?? character;
}

/** The look of each character (code point) of a text: as many as the text has. */
export function skeletonOf(text: string): string[] {
  return [...text].map((character) => {
    const plain = plainLetter(character);
    return LOOK_ALIKES[plain] ?? plain;
  });
}

/** Stands before a word with digits or signs in it where it is kept as it is written. */
export const AS_WRITTEN = "\0";

/** Two 32-bit sums of a word, grown character by character. */
export class WordHash {
  #high = 0x811c9dc5;
  #low = 0x9747b28c;

  constructor(start = "") {
    for (const character of start) this.add(character);
  }

  add(character: string): void {
    const code = character.codePointAt(0) ?? 0;
    this.#high = Math.imul(this.#high ^ code, 0x01000193);
    this.#low = Math.imul(this.#low + code, 0x85ebca6b);
    this.#low ^= this.#low >>> 15;
  }

  get high(): number {
    return mixed(this.#high);
  }

  /** 20 bits. */
  get low(): number {
    return mixed(this.#low) & 0xfffff;
  }
}

/** The last step of MurmurHash3: every bit of the input changes half of the output's. */
function mixed(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Words by the sums of their looks, with the bits that each is worth. */
export interface WordTable {
  /** What a word is worth, or null for one that is not in it (one in 3 billion is wrongly so). */
  bitsOf(word: WordHash): number | null;
}

const BYTES_PER_WORD = 7;
const BITS_MAX = 15;
const REST_BITS = 12;

/** The bytes of a table: 52 bits of the sum and 4 of the worth for each word, in order. */
export function encodeWords(words: ReadonlyMap<string, number>): Buffer {
  const rows = [...words].map(([skeleton, bits]) => {
    const hash = new WordHash(skeleton);
    return { high: hash.high, low: hash.low * 16 + Math.min(bits, BITS_MAX) };
  });
  rows.sort((a, b) => a.high - b.high || a.low - b.low);
  const bytes = Buffer.alloc(rows.length * BYTES_PER_WORD);
  rows.forEach(({ high, low }, row) => {
    bytes.writeUInt32LE(high, row * 4);
    bytes.writeUIntLE(low, rows.length * 4 + row * 3, 3);
  });
  return bytes;
}

/** Throws RangeError for bytes that are no table. */
export function decodeWords(bytes: Buffer): WordTable {
  const count = bytes.length / BYTES_PER_WORD;
  if (!Number.isInteger(count) || count === 0) throw new RangeError("this is no table of words");
  const high = Uint32Array.from({ length: count }, (_, row) => bytes.readUInt32LE(row * 4));
  const low = Uint32Array.from({ length: count }, (_, row) => bytes.readUIntLE(count * 4 + row * 3, 3));
  // Where the words begin whose sums begin with these 20 bits: one word in most places.
  const starts = new Uint32Array(2 ** (32 - REST_BITS) + 1);
  let place = 0;
  for (let row = 0; row < count; row++) {
    for (const own = (high[row] ?? 0) >>> REST_BITS; place <= own; place++) starts[place] = row;
  }
  starts.fill(count, place);
  return {
    bitsOf(word) {
      const wanted = word.high;
      const end = starts[(wanted >>> REST_BITS) + 1] ?? count;
      for (let row = starts[wanted >>> REST_BITS] ?? count; row < end; row++) {
        if (high[row] !== wanted) continue;
        const rest = low[row] ?? 0;
        if (rest >>> 4 === word.low) return rest & 0xf;
      }
      return null;
    },
  };
}
