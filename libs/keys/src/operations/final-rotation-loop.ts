import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import {
  type FinalRotationOptions,
  type FinalRotationOutcome,
  type FinalRotationState,
  makeShredsFinal,
} from "./final-rotation.ts";

const EVERY_MS = 60_000;
const HOUR_MS = 3_600_000;

/** The part of the service-kit's logger that is used here. */
interface Log {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface FinalRotationLoopOptions extends Omit<FinalRotationOptions, "owner" | "signal" | "afterMs"> {
  readonly afterHours: number | "off";
  readonly logger: Log;
  readonly everyMs?: number;
}

/** Runs makeShredsFinal now and once a minute, one run at a time. `stop` ends the one under way between two batches. */
export function startFinalRotation(options: FinalRotationLoopOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const owner = `${hostname()}.${process.pid}.${randomUUID()}`;
  const { logger, afterHours } = options;
  const afterMs = afterHours === "off" ? Number.POSITIVE_INFINITY : afterHours * HOUR_MS;
  let running: Promise<void> = Promise.resolve();
  let isRunning = false;
  let last: FinalRotationState = "nothing to do";
  const told = ({ state, reason }: FinalRotationOutcome): void => {
    if (state === "held up") logger.warn({ reason }, "shreds cannot be made final");
    else if (state === "done" && last !== state) logger.info({ state }, "shreds are final");
    last = state;
  };
  const tick = (): void => {
    if (isRunning || stopping.signal.aborted) return;
    isRunning = true;
    running = makeShredsFinal({ ...options, owner, afterMs, signal: stopping.signal })
      .then(told, (err: unknown) => {
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
