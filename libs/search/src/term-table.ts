import { EncodedText, type Needle } from "./encoded-text.ts";
import { capacityFor, grown, PackedTexts } from "./packed-texts.ts";
import { ShardedTable } from "./sharded-table.ts";

/** The number of a text that is unknown. */
export const UNKNOWN = 0;
const SHARD_BITS = 6;

/**
 * Distinct texts, counted: each has a number as long as some row has it. When the last one is gone
 * the text is zeroed and its number given to another.
 */
export class TermTable {
  readonly #texts = new PackedTexts();
  readonly #encoded = new EncodedText();
  #hashes = new Uint32Array(1);
  #uses = new Uint32Array(1);
  readonly #numbers = new ShardedTable(SHARD_BITS, (number) => this.#hashes[number] as number);
  readonly #free: number[] = [];
  #end = 1;

  /** Numbers go up to this one, without it. */
  get end(): number {
    return this.#end;
  }

  get bytes(): number {
    return this.#texts.bytes + this.#numbers.bytes + 8 * this.#hashes.length + 8 * this.#free.length;
  }

  get hasUnknown(): boolean {
    return (this.#uses[UNKNOWN] as number) > 0;
  }

  /** At most so many bytes are added with as many texts of that length together. */
  growthOf(count: number, bytes: number): number {
    const end = this.#end + count;
    const columns = end > this.#hashes.length ? 8 * capacityFor(end, this.#hashes.length) : 0;
    return this.#texts.growthOf(end, bytes) + this.#numbers.growthOf(count) + columns;
  }

  /** The number of a text, for one more row. */
  take(text: string | null): number {
    const number = text === null ? UNKNOWN : this.#numberOf(text);
    this.#uses[number] = (this.#uses[number] as number) + 1;
    return number;
  }

  /** For one row less. */
  release(number: number): void {
    const uses = (this.#uses[number] as number) - 1;
    this.#uses[number] = uses;
    if (uses > 0 || number === UNKNOWN) return;
    this.#numbers.remove(this.#hashes[number] as number, number);
    this.#texts.clear(number);
    this.#hashes[number] = 0;
    this.#free.push(number);
  }

  mark(needle: Needle, bit: number, masks: Uint8Array): boolean {
    return this.#texts.mark(needle, bit, masks, null, this.#end);
  }

  #numberOf(text: string): number {
    const encoded = this.#encoded.set(text);
    const hash = encoded.hash();
    const known = this.#numbers.find(
      hash,
      (number) => this.#hashes[number] === hash && this.#texts.equals(number, encoded),
    );
    const number = known || this.#add(encoded, hash);
    encoded.clear();
    return number;
  }

  #add(encoded: EncodedText, hash: number): number {
    const number = this.#free.pop() ?? this.#end;
    if (number === this.#end) this.#end += 1;
    if (number >= this.#hashes.length) {
      const capacity = capacityFor(number + 1, this.#hashes.length);
      this.#hashes = grown(this.#hashes, capacity);
      this.#uses = grown(this.#uses, capacity);
    }
    this.#hashes[number] = hash;
    this.#texts.put(number, encoded);
    this.#numbers.add(hash, number);
    return number;
  }
}
