/** For each call, this much of a repetition is earned: when a service is away, repeating adds a tenth to its load. */
const EARNED = 0.1;
const MAX_SAVED = 10;

/** How many repetitions a service may be asked for: one for ten calls, and no more than ten at once. */
export class RetryBudget {
  #saved = MAX_SAVED;

  earn(): void {
    this.#saved = Math.min(MAX_SAVED, this.#saved + EARNED);
  }

  /** Takes one repetition, if there is one. */
  take(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
