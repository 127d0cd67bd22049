import { setTimeout as delay } from "node:timers/promises";
import { DatabaseUnavailable } from "@medvault/postgres";
import pg from "pg";

// The traffic gets its share: after each batch a pause as long as the batch took.
const PAUSE_PER_WORK = 1;
const MAX_PAUSE_MS = 500;
// Writers hold a generation of keys for as long as an import's transaction at most.
const LOCK_TRIES = 60;
const LOCKED_PAUSE_MS = 200;

export interface Throttle {
  /** Pause after each batch as a multiple of what the batch took; default 1, 0 for none. */
  readonly pausePerWork?: number;
  readonly signal?: AbortSignal;
}

/** Runs batches with pauses until one says that nothing is left. Throws the signal's reason. */
export async function throttled(options: Throttle, batch: () => Promise<boolean>): Promise<void> {
  for (;;) {
    options.signal?.throwIfAborted();
    const since = performance.now();
    if (!(await batch())) return;
    await pause((performance.now() - since) * (options.pausePerWork ?? PAUSE_PER_WORK), options.signal);
  }
}

/** Throws the signal's reason as soon as it is aborted. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(Math.min(ms, MAX_PAUSE_MS), undefined, signal ? { signal } : {}).catch(() => undefined);
  signal?.throwIfAborted(); // its own reason, not the timer's
}

/** Runs a transaction that waits briefly for a lock, again and again until writers let it in. */
export async function whenLetIn<R>(signal: AbortSignal | undefined, work: () => Promise<R>): Promise<R> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isLockTimeout(error) || tries === LOCK_TRIES) throw error;
    }
    await pause(LOCKED_PAUSE_MS, signal);
  }
}

const isLockTimeout = (error: unknown): boolean =>
  error instanceof DatabaseUnavailable &&
  error.cause instanceof pg.DatabaseError &&
  error.cause.code === "55P03";
