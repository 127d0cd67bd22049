const SAMPLES = 40;
const DEVIATIONS = 3;

/** What chance alone hardly passes: the mean of some measurements and three deviations. */
export function limitByChance(measure: () => number): number {
  const samples = Array.from({ length: SAMPLES }, measure);
  const mean = samples.reduce((sum, value) => sum + value, 0) / SAMPLES;
  const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / SAMPLES;
  return Math.ceil(10 * (mean + DEVIATIONS * Math.sqrt(variance))) / 10;
}

/** Random numbers that are the same in every run (mulberry32). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** One of them. Throws when there is none. */
  of<T>(list: readonly T[]): T {
    const one = list[Math.floor(this.next() * list.length)];
    if (one === undefined) throw new Error("nothing to choose from");
    return one;
  }

  /** The same rows, among which what they hold was shuffled. */
  dealtOut<T extends { readonly truth: string }>(rows: readonly T[]): T[] {
    const truths = this.shuffled(rows.map(({ truth }) => truth));
    return rows.map((row, at) => ({ ...row, truth: truths[at] ?? "" }));
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((one) => ({ one, by: this.next() }))
      .sort((a, b) => a.by - b.by)
      .map(({ one }) => one);
  }
}
