import { NoAnswer, ProblemError } from "./problem.ts";
import { sleep } from "./sleep.ts";

export interface Patience {
  /** All of them, the first included. Default 4. */
  attempts: number;
  /** An answer that asks for a longer wait is given to the caller instead. Default 30,000. */
  maxWaitMs: number;
  /** Called before each wait. */
  onWait?: ((waitMs: number) => void) | undefined;
}

const FIRST_WAIT_MS = 250;

/**
 * Runs `attempt` until it succeeds, fails for good, or patience ends; then throws what it threw
 * last. `repeatable` says that doing it twice does no harm: then it is tried again too when no
 * answer came or something behind was away. What the gateway refused unread (429) and what is still
 * under way (409) may always be tried again.
 */
export async function patiently<T>(
  attempt: () => Promise<T>,
  patience: Patience,
  repeatable: boolean,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const waitMs = waitAfter(error, repeatable, tries);
      if (waitMs === null || waitMs > patience.maxWaitMs || tries >= patience.attempts) throw error;
      patience.onWait?.(waitMs);
      await sleep(waitMs, signal);
    }
  }
}

/** How long to wait before the next attempt, in milliseconds; null: there shall be none. */
function waitAfter(error: unknown, repeatable: boolean, tries: number): number | null {
  // Doubling, and spread out, so that clients who failed together do not come back together.
  const own = FIRST_WAIT_MS * 2 ** (tries - 1) * (0.5 + Math.random());
  if (error instanceof NoAnswer) return repeatable ? own : null;
  if (!(error instanceof ProblemError)) return null;
  const always = error.status === 429 || error.code === "request_in_progress";
  const away = error.status === 502 || error.status === 503 || error.status === 504;
  return always || (away && repeatable) ? Math.max(error.retryAfterMs ?? 0, own) : null;
}
