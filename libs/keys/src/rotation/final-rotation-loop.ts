import { randomUUID } from "node:crypto";
import { type FinalRotationRound, runFinalRotation } from "./final-rotation.jobs.ts";

const EVERY_MS = 60_000;

interface FinalRotationLoopOptions extends Omit<FinalRotationRound, "owner" | "signal"> {
  readonly everyMs?: number;
}

/** Calls runFinalRotation now and once a minute. `stop` ends the one under way. */
export function startFinalRotation(options: FinalRotationLoopOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const owner = randomUUID();
  const { logger } = options;
  let running: Promise<unknown> = Promise.resolve();
  let isRunning = false;
  const tick = (): void => {
    if (isRunning || stopping.signal.aborted) return;
    isRunning = true;
    running = runFinalRotation({ ...options, owner, signal: stopping.signal })
      .catch((err: unknown) => {
        if (!stopping.signal.aborted) logger.warn({ err }, "making shreds final failed; it is tried again");
      })
      .finally(() => {
        isRunning = false;
      });
  };
  tick();
  const timer = setInterval(tick, options.everyMs ?? EVERY_MS);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await running;
    },
  };
}
