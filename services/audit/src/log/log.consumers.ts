import { AUDIT_BINDING, AUDIT_QUEUE, type Broker, type Consumer, createConsumer } from "@medvault/messaging";
import type pg from "pg";
import type { Consumption, LogWriter } from "./writer.service.ts";

/**
 * Messages in hand at once, of up to 100 events each; what is in hand goes into one transaction.
 * Measured on 2 cores: see the service's README.
 */
const PREFETCH = 10;

/**
 * Takes audit events from the queue into the log. While the writer may not write, its errors are of
 * the kind "unavailable": consumption pauses and the events wait.
 */
export function createLogConsumption(parts: {
  broker: Broker;
  pool: pg.Pool;
  append: LogWriter["append"];
}): Consumption {
  let consumer: Consumer | null = null;
  return {
    start() {
      if (consumer !== null) return;
      // A consumer that was stopped does not start again, so each time is a new one.
      consumer = createConsumer({
        broker: parts.broker,
        pool: parts.pool,
        queue: AUDIT_QUEUE,
        bindings: [AUDIT_BINDING],
        prefetch: PREFETCH,
        handle: (events, tx) => parts.append(tx, events),
      });
      consumer.start();
    },
    async stop() {
      const stopped = consumer;
      consumer = null;
      await stopped?.stop();
    },
  };
}
