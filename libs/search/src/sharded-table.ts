const PLACES = 2 ** 20;
const MAX_LOAD = 0.8;
const GROWTH = 1.25;
const MIN_CAPACITY = 8;
const OVERHEAD_BYTES = 120;
const NONE = new Uint32Array(0);

/**
 * Numbers other than 0, found again by a hash: of its 32 bits the highest say in which shard, the
 * lowest 20 at what place of it. Shards grow one by one, by a quarter, so that it takes no time
 * that anyone notices, and little room. Which number of a place is meant, the caller knows.
 */
export class ShardedTable {
  readonly #shift: number;
  readonly #hashOf: (entry: number) => number;
  readonly #shards: Uint32Array[];
  readonly #counts: Uint32Array;
  #slots = 0;

  /** @param hashOf the hash of a number that is in it; its lowest 20 bits are enough */
  constructor(shardBits: number, hashOf: (entry: number) => number) {
    this.#shift = 32 - shardBits;
    this.#hashOf = hashOf;
    this.#shards = Array.from({ length: 2 ** shardBits }, () => NONE);
    this.#counts = new Uint32Array(2 ** shardBits);
  }

  get bytes(): number {
    return 4 * this.#slots + this.#shards.length * OVERHEAD_BYTES;
  }

  /** At most so many bytes are added with as many numbers. */
  growthOf(count: number): number {
    const perShard = this.#slots / this.#shards.length;
    return 4 * (2 * count + Math.min(count, this.#shards.length) * (perShard / 2 + MIN_CAPACITY));
  }

  /** The first number at the place of `hash` that is the one; 0 if none is. */
  find(hash: number, isIt: (entry: number) => boolean): number {
    const shard = this.#shards[hash >>> this.#shift] as Uint32Array;
    if (shard.length === 0) return 0;
    for (let at = homeOf(hash % PLACES, shard.length); ; at = at + 1 === shard.length ? 0 : at + 1) {
      const entry = shard[at] as number;
      if (entry === 0 || isIt(entry)) return entry;
    }
  }

  add(hash: number, entry: number): void {
    const number = hash >>> this.#shift;
    const count = (this.#counts[number] as number) + 1;
    let shard = this.#shards[number] as Uint32Array;
    if (count > shard.length * MAX_LOAD) {
      const larger = new Uint32Array(Math.max(MIN_CAPACITY, Math.ceil(shard.length * GROWTH)));
      for (const one of shard)
        if (one !== 0) insert(larger, homeOf(this.#hashOf(one) % PLACES, larger.length), one);
      this.#slots += larger.length - shard.length;
      this.#shards[number] = larger;
      shard = larger;
    }
    insert(shard, homeOf(hash % PLACES, shard.length), entry);
    this.#counts[number] = count;
  }

  /** Takes out one that is in it; those behind move up, so that they are found. */
  remove(hash: number, entry: number): void {
    const number = hash >>> this.#shift;
    const shard = this.#shards[number] as Uint32Array;
    const next = (at: number) => (at + 1 === shard.length ? 0 : at + 1);
    let gap = homeOf(hash % PLACES, shard.length);
    while (shard[gap] !== entry) gap = next(gap);
    for (let at = next(gap); shard[at] !== 0; at = next(at)) {
      const home = homeOf(this.#hashOf(shard[at] as number) % PLACES, shard.length);
      const staysThere = gap <= at ? gap < home && home <= at : gap < home || home <= at;
      if (staysThere) continue;
      shard[gap] = shard[at] as number;
      gap = at;
    }
    shard[gap] = 0;
    this.#counts[number] = (this.#counts[number] as number) - 1;
  }
}

const homeOf = (place: number, capacity: number): number => Math.floor((place * capacity) / PLACES);

function insert(shard: Uint32Array, home: number, entry: number): void {
  let at = home;
  while (shard[at] !== 0) at = at + 1 === shard.length ? 0 : at + 1;
  shard[at] = entry;
}
