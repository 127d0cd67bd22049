/** A repetition is paid for by ten calls: when a service is away, repeating adds a tenth to its load and no more. */
const CALLS_PER_REPETITION = 10;
const MAX_SAVED_CALLS = 10 * CALLS_PER_REPETITION;

/** How often calls to a service may be repeated: once for ten calls, and ten times at once. */
export class RetryBudget {
  #savedCalls = MAX_SAVED_CALLS;

  earn(): void {
    if (this.#savedCalls < MAX_SAVED_CALLS) this.#savedCalls += 1;
  }

  /** Takes one repetition, if there is one. */
  take(): boolean {
    if (this.#savedCalls < CALLS_PER_REPETITION) return false;
    this.#savedCalls -= CALLS_PER_REPETITION;
    return true;
  }
}
