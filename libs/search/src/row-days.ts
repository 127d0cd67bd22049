import { hashId, type IdWords } from "./id-words.ts";
import { ShardedTable } from "./sharded-table.ts";

const SHARD_BITS = 12;
const TAG_BITS = 10;
const TAGS = 2 ** TAG_BITS;

/**
 * On which day a row stands, by its id: 4 bytes a row, 22 bits of the day and 10 of the id's hash.
 * Which of several rows it is, `has` says.
 */
export class RowDays {
  readonly #table = new ShardedTable(SHARD_BITS, (entry) => (entry % TAGS) * TAGS);
  readonly #has: (day: number, id: IdWords) => boolean;

  constructor(has: (day: number, id: IdWords) => boolean) {
    this.#has = has;
  }

  get bytes(): number {
    return this.#table.bytes;
  }

  growthOf(count: number): number {
    return this.#table.growthOf(count);
  }

  /** The day of the row, or -1. */
  find(id: IdWords): number {
    const hash = placeOf(hashId(id, 0));
    const tag = tagOf(hash);
    const entry = this.#table.find(hash, (one) => one % TAGS === tag && this.#has(dayOfEntry(one), id));
    return dayOfEntry(entry);
  }

  add(ids: Uint32Array, at: number, day: number): void {
    const hash = placeOf(hashId(ids, at));
    this.#table.add(hash, entryOf(hash, day));
  }

  remove(ids: Uint32Array, at: number, day: number): void {
    const hash = placeOf(hashId(ids, at));
    this.#table.remove(hash, entryOf(hash, day));
  }
}

/** Of the place, only what an entry keeps of it: 10 of 20 bits. */
const placeOf = (hash: number): number => hash - (hash % TAGS);
const tagOf = (hash: number): number => (hash >>> TAG_BITS) % TAGS;
const entryOf = (hash: number, day: number): number => (day + 1) * TAGS + tagOf(hash);
const dayOfEntry = (entry: number): number => (entry >>> TAG_BITS) - 1;
