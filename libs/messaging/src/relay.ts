import type pg from "pg";
import { settlesWithin } from "./backoff.ts";
import type { Broker } from "./broker.ts";
import type { Logger } from "./logger.ts";
import { RelayWorker } from "./relay-worker.ts";
import { onEmitted } from "./wake.ts";

export interface RelayOptions {
  pool: pg.Pool;
  /** The service's name, which is also its user at the broker. */
  source: string;
  broker: Broker;
  logger: Logger;
  /** Rows read at once; default 500. */
  batchRows?: number;
  /** How long a relay that died keeps others waiting; default 5,000. */
  leaseMs?: number;
  /** How soon it finds what no commit woke it for; default 2,000, at most a third of the lease. */
  pollMs?: number;
  /** Default 60,000. */
  heartbeatMs?: number;
}

export interface Relay {
  start(): void;
  wake(): void;
  /** Sends what it can within 2 s, gives the lease back, ends. What remains waits in the outbox. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 5_000;

/**
 * Carries a service's outbox to the broker: each event at least once, audit events under numbers
 * without gaps that they keep through every repetition. Many may run; the lease lets one work, the
 * fence stops one that was replaced without knowing it.
 */
export function createRelay(options: RelayOptions): Relay {
  const worker = new RelayWorker(options);
  let running: Promise<void> | null = null;
  const forget: (() => void)[] = [];
  return {
    start() {
      if (running !== null) return;
      forget.push(onEmitted(options.source, () => worker.wake()));
      // Back sooner than the backoff would have it.
      forget.push(options.broker.onConnected(() => worker.retry()));
      running = worker.run();
    },
    wake: () => worker.wake(),
    async stop() {
      for (const each of forget.splice(0)) each();
      worker.stop();
      if (running !== null) await settlesWithin(running, STOP_TIMEOUT_MS);
    },
  };
}
