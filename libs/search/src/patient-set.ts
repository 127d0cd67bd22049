/** Whom a search looks among, by their numbers in one index. `SearchIndex.setOf` makes it. */
export class PatientSet {
  readonly index: object;
  /** In order, each once. */
  readonly numbers: Uint32Array;

  constructor(index: object, numbers: Uint32Array) {
    this.index = index;
    this.numbers = numbers;
  }
}

/** In order, each once. */
export function distinct(numbers: Uint32Array): Uint32Array {
  numbers.sort();
  return numbers.filter((number, at) => at === 0 || number !== numbers[at - 1]);
}
