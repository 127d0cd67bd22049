/** Whom a search looks among, by their numbers in one index. `SearchIndex.setOf` makes it. */
export class PatientSet {
  readonly index: object;
  readonly numbers: ReadonlySet<number>;

  constructor(index: object, numbers: ReadonlySet<number>) {
    this.index = index;
    this.numbers = numbers;
  }
}
