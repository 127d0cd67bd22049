/** The first of many numbers in an order, with few comparisons and little memory. */
export class FirstNumbers {
  readonly #limit: number;
  readonly #compare: (a: number, b: number) => number;
  #kept: number[] = [];
  /** Once there are enough: what stands behind this one is not kept. */
  #last: number | null = null;

  constructor(limit: number, compare: (a: number, b: number) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  add(number: number): void {
    if (this.#last !== null && this.#compare(number, this.#last) > 0) return;
    this.#kept.push(number);
    if (this.#kept.length >= 2 * this.#limit) this.#last = this.inOrder().at(-1) ?? null;
  }

  inOrder(): readonly number[] {
    this.#kept = this.#kept.sort(this.#compare).slice(0, this.#limit);
    return this.#kept;
  }
}
