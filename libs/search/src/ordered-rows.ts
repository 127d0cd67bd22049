import { textOfDay } from "./days.ts";
import { type IdWords, writeId } from "./id-words.ts";
import { grown } from "./packed-texts.ts";
import type { Hit } from "./searched.ts";

/** Fewer make a scan slower, more a change: measured with 128 to 2,048. */
const BLOCK_ROWS = 1_024;
/** id, patient, term, day, flags */
const ROW_BYTES = 16 + 4 + 4 + 4 + 1;
const BLOCK_BYTES = BLOCK_ROWS * ROW_BYTES + 1_000;
/** Between two neighbours rows move as long as one of them has room for so many. */
const WORTHWHILE = BLOCK_ROWS / 4;
/** A block so small is joined with a neighbour. */
const SMALL = BLOCK_ROWS / 4;

/** Up to `capacity` rows, one column each in one piece of memory. */
class Block {
  readonly ids: Uint32Array;
  readonly patients: Uint32Array;
  readonly terms: Uint32Array;
  readonly days: Uint32Array;
  readonly flags: Uint8Array;
  size = 0;

  constructor(capacity: number) {
    const memory = new ArrayBuffer(capacity * ROW_BYTES);
    this.patients = new Uint32Array(memory, 0, capacity);
    this.terms = new Uint32Array(memory, 4 * capacity, capacity);
    this.days = new Uint32Array(memory, 8 * capacity, capacity);
    this.ids = new Uint32Array(memory, 12 * capacity, 4 * capacity);
    this.flags = new Uint8Array(memory, 28 * capacity, capacity);
  }

  /** Makes or closes a gap: what begins at `from` begins at `to`. */
  shift(from: number, to: number): void {
    this.ids.copyWithin(4 * to, 4 * from, 4 * this.size);
    this.patients.copyWithin(to, from, this.size);
    this.terms.copyWithin(to, from, this.size);
    this.days.copyWithin(to, from, this.size);
    this.flags.copyWithin(to, from, this.size);
    this.size += to - from;
  }

  copy(from: Block, start: number, count: number, at: number): void {
    const end = start + count;
    this.ids.set(from.ids.subarray(4 * start, 4 * end), 4 * at);
    this.patients.set(from.patients.subarray(start, end), at);
    this.terms.set(from.terms.subarray(start, end), at);
    this.days.set(from.days.subarray(start, end), at);
    this.flags.set(from.flags.subarray(start, end), at);
  }

  /** Below 0 if the row at `at` stands before that place, latest day and highest id first. */
  compare(at: number, day: number, id: IdWords): number {
    const difference = day - (this.days[at] as number);
    if (difference !== 0) return difference;
    for (let n = 0; n < 4; n += 1) {
      const words = (id[n] as number) - (this.ids[4 * at + n] as number);
      if (words !== 0) return words;
    }
    return 0;
  }
}

/** What a row is in memory, beside its day and id. */
export interface RowValues {
  readonly patient: number;
  readonly term: number;
  readonly flags: number;
}

/** Masks of one round of up to 7 words: a row has all that its patient and its term have. */
export interface Masks {
  readonly patients: Uint8Array;
  readonly terms: Uint8Array;
  readonly wanted: number;
}

export interface Scan {
  readonly masks: Masks;
  /** For words beyond the first 7. */
  readonly further: readonly Masks[];
  readonly flagMask: number;
  readonly flags: number;
  readonly from: number;
  /** Where to begin, and whether with the row that stands there. */
  readonly start: { readonly day: number; readonly id: IdWords };
  readonly isAfterStart: boolean;
  readonly limit: number;
}

/**
 * Rows in the order of lists: latest day first, then highest id. They stand in blocks; what is put
 * moves a block's rows, or some to its neighbour, or makes a third block of two full ones, so that
 * no change takes long and blocks are two thirds full at least, as long as rows are put.
 */
export class OrderedRows {
  readonly #blocks: Block[] = [];
  /** The day of each block's first row, so that few blocks are touched; not of the first one's. */
  #heads = new Uint32Array(64);
  readonly #between = new Block(3 * BLOCK_ROWS);
  #size = 0;
  /** Where `find` was. */
  #block = 0;
  #at = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#blocks.length * BLOCK_BYTES + this.#heads.byteLength;
  }

  /** At most so many bytes are added with as many rows. */
  growthOf(count: number): number {
    // Full ones that are there may split at once; those of a split have room for the more.
    const blocks = Math.min(count, this.#blocks.length / 2 + 1) + Math.ceil(count / (BLOCK_ROWS / 4));
    return blocks * BLOCK_BYTES;
  }

  has(day: number, id: IdWords): boolean {
    this.#find(day, id);
    const block = this.#blocks[this.#block];
    return block !== undefined && this.#at < block.size && block.compare(this.#at, day, id) === 0;
  }

  insert(day: number, id: IdWords, { patient, term, flags }: RowValues): void {
    if (this.#blocks.length === 0) this.#blocks.push(new Block(BLOCK_ROWS));
    this.#find(day, id);
    if (this.#blockAt(this.#block).size === BLOCK_ROWS) {
      this.#makeRoom(this.#block);
      this.#find(day, id);
    }
    const block = this.#blockAt(this.#block);
    const at = this.#at;
    block.shift(at, at + 1);
    block.ids.set(id, 4 * at);
    block.patients[at] = patient;
    block.terms[at] = term;
    block.days[at] = day;
    block.flags[at] = flags;
    this.#size += 1;
  }

  /** Takes out a row that is there. */
  remove(day: number, id: IdWords): RowValues {
    if (!this.has(day, id)) throw new Error("a row to be taken out is not there");
    const block = this.#blockAt(this.#block);
    const at = this.#at;
    const [patient = 0, term = 0, flags = 0] = [block.patients[at], block.terms[at], block.flags[at]];
    block.shift(at + 1, at);
    this.#size -= 1;
    this.#shrink(this.#block);
    return { patient, term, flags };
  }

  /** Takes out all rows of a patient; each is told to `taken` before. */
  removeOf(patient: number, taken: (ids: Uint32Array, at: number, day: number, term: number) => void): void {
    for (let number = this.#blocks.length - 1; number >= 0; number -= 1) {
      const block = this.#blockAt(number);
      let kept = block.patients.indexOf(patient);
      if (kept < 0 || kept >= block.size) continue;
      for (let at = kept; at < block.size; at += 1) {
        if (block.patients[at] === patient) {
          taken(block.ids, 4 * at, block.days[at] as number, block.terms[at] as number);
        } else {
          block.copy(block, at, 1, kept);
          kept += 1;
        }
      }
      this.#size -= block.size - kept;
      block.size = kept;
      this.#shrink(number);
    }
  }

  /** The first rows from a place on that have all words. */
  scan(scan: Scan): Hit[] {
    const { flagMask, flags, from, start, isAfterStart, limit } = scan;
    const hits: Hit[] = [];
    if (isAfterStart && this.has(start.day, start.id)) this.#at += 1;
    else this.#find(start.day, start.id);
    let at = this.#at;
    for (let number = this.#block; number < this.#blocks.length && hits.length < limit; number += 1) {
      const block = this.#blockAt(number);
      if (at < block.size && (block.days[at] as number) < from) break;
      for (at = nextOf(scan.masks, block, at); at < block.size; at = nextOf(scan.masks, block, at + 1)) {
        if (((block.flags[at] as number) & flagMask) !== flags) continue;
        const day = block.days[at] as number;
        if (day < from) return hits;
        if (!hasAll(scan.further, block, at)) continue;
        hits.push({ id: writeId(block.ids, 4 * at), at: textOfDay(day) });
        if (hits.length === limit) return hits;
      }
      at = 0;
    }
    return hits;
  }

  #blockAt(number: number): Block {
    return this.#blocks[number] as Block;
  }

  /** Sets block and place to the first row that does not stand before that one. */
  #find(day: number, id: IdWords): void {
    let [low, high] = [0, this.#blocks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const later = day - (this.#heads[middle] as number) || this.#blockAt(middle).compare(0, day, id);
      if (later <= 0) low = middle;
      else high = middle - 1;
    }
    this.#block = low;
    const block = this.#blocks[low];
    let [first, last] = [0, block?.size ?? 0];
    while (block && first < last) {
      const middle = (first + last) >>> 1;
      if (block.compare(middle, day, id) < 0) first = middle + 1;
      else last = middle;
    }
    this.#at = first;
  }

  /** A full block shares with a neighbour, or two full ones become three. */
  #makeRoom(number: number): void {
    const hasRoom = (one: number) => (this.#blocks[one]?.size ?? BLOCK_ROWS) <= BLOCK_ROWS - WORTHWHILE;
    if (hasRoom(number - 1)) this.#spread(number - 1, 2, 2);
    else if (hasRoom(number + 1)) this.#spread(number, 2, 2);
    else if (number > 0) this.#spread(number - 1, 2, 3);
    else this.#spread(number, 1, 2);
  }

  #shrink(number: number): void {
    const block = this.#blockAt(number);
    this.#heads[number] = block.days[0] as number;
    if (block.size > SMALL) return;
    const isSmall = (one: number) => (this.#blocks[one]?.size ?? BLOCK_ROWS) <= BLOCK_ROWS - 2 * SMALL;
    if (block.size === 0) {
      this.#blocks.splice(number, 1);
      this.#noteHeads(number, this.#blocks.length);
    } else if (isSmall(number + 1)) this.#spread(number, 2, 1);
    else if (isSmall(number - 1)) this.#spread(number - 1, 2, 1);
  }

  /** Rows of `count` blocks evenly into `into`, new ones or fewer. */
  #spread(first: number, count: number, into: number): void {
    let rows = 0;
    for (const block of this.#blocks.slice(first, first + count)) {
      this.#between.copy(block, 0, block.size, rows);
      rows += block.size;
    }
    if (into > count) this.#blocks.splice(first + count, 0, new Block(BLOCK_ROWS));
    if (into < count) this.#blocks.splice(first + into, count - into);
    let from = 0;
    for (let n = 0; n < into; n += 1) {
      const block = this.#blockAt(first + n);
      block.size = Math.floor((rows * (n + 1)) / into) - from;
      block.copy(this.#between, from, block.size, 0);
      from += block.size;
    }
    this.#noteHeads(first, into === count ? first + count : this.#blocks.length);
  }

  #noteHeads(from: number, to: number): void {
    if (this.#heads.length < this.#blocks.length) this.#heads = grown(this.#heads, 2 * this.#blocks.length);
    for (let n = from; n < to; n += 1) this.#heads[n] = this.#blockAt(n).days[0] as number;
  }
}

/** The first row from there on that has all words; the block's size if there is none. */
function nextOf({ patients, terms, wanted }: Masks, block: Block, start: number): number {
  const { patients: ofPatient, terms: ofTerm, size } = block;
  for (let at = start; at < size; at += 1) {
    const mask = (patients[ofPatient[at] as number] as number) | (terms[ofTerm[at] as number] as number);
    if (mask === wanted) return at;
  }
  return size;
}

function hasAll(further: readonly Masks[], block: Block, at: number): boolean {
  return further.every(({ patients, terms, wanted }) => {
    const ofPatient = patients[block.patients[at] as number] as number;
    return (ofPatient | (terms[block.terms[at] as number] as number)) === wanted;
  });
}
