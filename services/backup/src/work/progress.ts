import type { BackupStage } from "@medvault/contracts";

/** How far a piece of work is, by bytes of which it knows about how many there are. */
export class Progress {
  stage: BackupStage | null = null;
  #expected = 0;
  #done = 0;

  /** That many bytes are to come. */
  expect(bytes: number): void {
    this.#expected += bytes;
  }

  /** Counts bytes towards `expected` of them: no more, and all of them with `end`. */
  share(expected: number): { add(bytes: number): void; end(): void } {
    let left = expected;
    const add = (bytes: number) => {
      const counted = Math.min(bytes, left);
      left -= counted;
      this.#done += counted;
    };
    return { add, end: () => add(left) };
  }

  /** Of 100; 99 at most, since the end is told by the state. Null: not known yet. */
  get percent(): number | null {
    if (this.#expected === 0) return null;
    return Math.min(99, Math.floor((100 * this.#done) / this.#expected));
  }
}
