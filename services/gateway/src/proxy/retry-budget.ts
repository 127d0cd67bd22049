/** Ten calls earn one retry: when a service is away, retrying adds at most a tenth to its load. */
const CALLS_PER_RETRY = 10;
const MAX_SAVED_CALLS = 10 * CALLS_PER_RETRY;

/** How often calls to a service may be retried: once for ten calls, and ten times at once. */
export class RetryBudget {
  #savedCalls = MAX_SAVED_CALLS;

  earn(): void {
    if (this.#savedCalls < MAX_SAVED_CALLS) this.#savedCalls += 1;
  }

  /** Takes one retry, if there is one. */
  take(): boolean {
    if (this.#savedCalls < CALLS_PER_RETRY) return false;
    this.#savedCalls -= CALLS_PER_RETRY;
    return true;
  }
}
