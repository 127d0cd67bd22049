import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@medvault/contracts";

const FIRST_PAUSE_MS = 250;
const TRIES = 9;

/**
 * Does it again while a part of the system is away or busy, for a minute: what waited
 * hours for its turn is not given up for a restart. Throws what `work` throws last.
 */
export async function patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      const passes = error instanceof AppError && /^(unavailable|rate_limited)$/.test(error.kind);
      if (!passes || tried === TRIES) throw error;
      await sleep(FIRST_PAUSE_MS * 2 ** (tried - 1), undefined, { signal });
    }
  }
}
