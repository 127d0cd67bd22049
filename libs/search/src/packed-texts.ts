import type { EncodedText, Needle } from "./encoded-text.ts";

const CHUNK_BITS = 16;
const CHUNK_BYTES = 2 ** CHUNK_BITS;
const CHUNK_OVERHEAD_BYTES = 250;
/** start, length, letters, pairs */
const SLOT_BYTES = 4 + 2 + 4 + 4;
const GROWTH = 1.25;
const MIN_SLOTS = 64;
const NONE = new Uint8Array(0);

interface Chunk {
  readonly bytes: Uint8Array;
  used: number;
  live: number;
}

/**
 * Texts by number, packed into chunks of 64 KiB. One that is taken out is zeroed at once; a chunk
 * of which less than half is in use is given up, and what is left of it moves.
 */
export class PackedTexts {
  readonly #chunks: (Chunk | undefined)[] = [];
  readonly #free: number[] = [];
  #open = -1;
  #starts = new Uint32Array(0);
  #lengths = new Uint16Array(0);
  #letters = new Int32Array(0);
  #pairs = new Int32Array(0);

  get bytes(): number {
    const chunks = this.#chunks.length - this.#free.length;
    return chunks * (CHUNK_BYTES + CHUNK_OVERHEAD_BYTES) + this.#starts.length * SLOT_BYTES;
  }

  /** At most so many bytes are added with texts up to a number, of that length together. */
  growthOf(numbers: number, bytes: number): number {
    const chunks = bytes === 0 ? 0 : Math.ceil((4 * bytes) / (3 * CHUNK_BYTES));
    const slots = numbers > this.#starts.length ? capacityFor(numbers, this.#starts.length) : 0;
    return chunks * (CHUNK_BYTES + CHUNK_OVERHEAD_BYTES) + slots * SLOT_BYTES;
  }

  /** In place of what was there. */
  put(number: number, text: EncodedText): void {
    this.clear(number);
    if (number >= this.#starts.length) this.#grow(number + 1);
    if (text.length === 0) return;
    const start = this.#room(text.length);
    const bytes = this.#bytesAt(start);
    const at = start % CHUNK_BYTES;
    for (let n = 0; n < text.length; n += 1) bytes[at + n] = text.bytes[n] as number;
    this.#starts[number] = start;
    this.#lengths[number] = text.length;
    text.sign();
    this.#letters[number] = text.letters;
    this.#pairs[number] = text.pairs;
  }

  clear(number: number): void {
    const length = this.#lengths[number] ?? 0;
    if (length === 0) return;
    const start = this.#starts[number] as number;
    const at = start % CHUNK_BYTES;
    this.#bytesAt(start).fill(0, at, at + length);
    this.#lengths[number] = 0;
    this.#letters[number] = 0;
    this.#pairs[number] = 0;
    const chunk = this.#chunkOf(start);
    chunk.live -= length;
    const of = start >>> CHUNK_BITS;
    if (of !== this.#open && chunk.live < chunk.used / 2) this.#giveUp(of);
  }

  equals(number: number, text: EncodedText): boolean {
    if (this.#lengths[number] !== text.length) return false;
    const start = this.#starts[number] as number;
    if (text.length === 0) return true;
    const bytes = this.#bytesAt(start);
    const at = start % CHUNK_BYTES;
    for (let n = 0; n < text.length; n += 1) if (bytes[at + n] !== text.bytes[n]) return false;
    return true;
  }

  /**
   * Sets `bit` in the mask of each text that holds the word; of these numbers, or of the first
   * `count`.
   * @returns whether any does
   */
  mark(needle: Needle, bit: number, masks: Uint8Array, numbers: Uint32Array | null, count: number): boolean {
    const { letters, pairs, isLetter } = needle;
    const [allLetters, allPairs] = [this.#letters, this.#pairs];
    const end = numbers ? numbers.length : Math.min(count, allLetters.length);
    let isFound = false;
    let chunk = -1;
    let bytes: Uint8Array = NONE;
    for (let n = 0; n < end; n += 1) {
      const number = numbers ? (numbers[n] as number) : n;
      if (((allLetters[number] as number) & letters) !== letters) continue;
      if (((allPairs[number] as number) & pairs) !== pairs) continue;
      if (!isLetter) {
        const start = this.#starts[number] as number;
        if (start >>> CHUNK_BITS !== chunk) {
          chunk = start >>> CHUNK_BITS;
          bytes = this.#bytesAt(start);
        }
        const at = start & (CHUNK_BYTES - 1);
        if (!needle.isIn(bytes, at, at + (this.#lengths[number] as number))) continue;
      }
      masks[number] = (masks[number] as number) | bit;
      isFound = true;
    }
    return isFound;
  }

  #chunkOf(start: number): Chunk {
    return this.#chunks[start >>> CHUNK_BITS] as Chunk;
  }

  #bytesAt(start: number): Uint8Array {
    return this.#chunkOf(start).bytes;
  }

  #room(length: number): number {
    let chunk = this.#chunks[this.#open];
    if (!chunk || chunk.used + length > CHUNK_BYTES) {
      this.#open = this.#free.pop() ?? this.#chunks.length;
      chunk = { bytes: new Uint8Array(CHUNK_BYTES), used: 0, live: 0 };
      this.#chunks[this.#open] = chunk;
    }
    const start = this.#open * CHUNK_BYTES + chunk.used;
    chunk.used += length;
    chunk.live += length;
    return start;
  }

  #giveUp(of: number): void {
    const chunk = this.#chunks[of] as Chunk;
    for (let number = 0; chunk.live > 0 && number < this.#starts.length; number += 1) {
      const length = this.#lengths[number] as number;
      const start = this.#starts[number] as number;
      if (length === 0 || start >>> CHUNK_BITS !== of) continue;
      const at = start % CHUNK_BYTES;
      const moved = this.#room(length);
      this.#bytesAt(moved).set(chunk.bytes.subarray(at, at + length), moved % CHUNK_BYTES);
      this.#starts[number] = moved;
      chunk.live -= length;
    }
    chunk.bytes.fill(0);
    this.#chunks[of] = undefined;
    this.#free.push(of);
  }

  #grow(slots: number): void {
    const capacity = capacityFor(slots, this.#starts.length);
    this.#starts = grown(this.#starts, capacity);
    this.#lengths = grown(this.#lengths, capacity);
    this.#letters = grown(this.#letters, capacity);
    this.#pairs = grown(this.#pairs, capacity);
  }
}

/** How long a column becomes that is to hold `slots`. */
export const capacityFor = (slots: number, held: number): number =>
  Math.max(slots, MIN_SLOTS, Math.ceil(held * GROWTH));

type Column = Uint32Array | Int32Array | Uint16Array | Uint8Array | Float64Array;

/** A longer column with the same beginning. */
export function grown<T extends Column>(column: T, length: number): T {
  const longer = new (column.constructor as new (length: number) => T)(length);
  longer.set(column);
  return longer;
}
