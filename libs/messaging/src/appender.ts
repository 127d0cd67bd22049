import { AsyncLocalStorage } from "node:async_hooks";
import { type NewEvent, Unavailable } from "@medvault/contracts";
import { isUnavailable, toDatabaseError, withDeadline } from "@medvault/postgres";
import type pg from "pg";
import { type OutboxEvent, toOutboxEvent } from "./envelope.ts";
import { countEvents } from "./event-count.ts";
import { followed } from "./event-journey.ts";
import { insertEvents } from "./outbox.store.ts";
import { channelToNotify, wakeRelays } from "./wake.ts";

export interface AppenderOptions {
  /** Events waiting at most, beyond which `append` throws Unavailable; default 10,000. */
  maxQueuedEvents?: number;
}

export interface Appender {
  /**
   * Resolves once the events are committed. Throws Unavailable (too many wait, or it is closed),
   * DatabaseUnavailable (they may then be committed all the same) or EventRefused.
   */
  append(...events: NewEvent[]): Promise<void>;
  /** Takes no more, and resolves when what was taken is decided. */
  close(): Promise<void>;
}

/** Events in one statement. */
const MAX_BATCH_EVENTS = 500;
/** Whoever reads something waits for its event. */
const STATEMENT_MS = 2_000;

interface Waiting {
  events: OutboxEvent[];
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Commits the events of reads, refusals and failures in groups: one gathers while the statement of
 * the last is under way, so that it grows with the load and an idle service waits for nothing.
 */
export function createAppender(pool: pg.Pool, source: string, options: AppenderOptions = {}): Appender {
  const maxQueuedEvents = options.maxQueuedEvents ?? 10_000;
  // A group is of many requests: what it does is in the context of none.
  const outside = AsyncLocalStorage.snapshot();
  const queue: Waiting[] = [];
  let queuedEvents = 0;
  let flushing: Promise<void> | null = null;
  let closed = false;

  function takeGroup(): Waiting[] {
    let events = 0;
    let count = 0;
    for (const waiting of queue) {
      // One append is one statement's at most: it is committed whole or not at all.
      if (count > 0 && events + waiting.events.length > MAX_BATCH_EVENTS) break;
      events += waiting.events.length;
      count += 1;
    }
    queuedEvents -= events;
    return queue.splice(0, count);
  }

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      const group = takeGroup();
      try {
        const events = group.flatMap((waiting) => waiting.events);
        await withDeadline(STATEMENT_MS, () => insertEvents(pool, events, channelToNotify(source)));
        for (const waiting of group) waiting.resolve();
        countEvents(source, events);
        wakeRelays(source);
      } catch (error) {
        // What gathered meanwhile has waited as long, and would wait once more.
        const refused = isUnavailable(error) ? [...group, ...queue.splice(0)] : group;
        if (queue.length === 0) queuedEvents = 0;
        for (const waiting of refused) waiting.reject(toDatabaseError(error));
      }
    }
    flushing = null;
  }

  return {
    async append(...events) {
      if (events.length === 0) return;
      const made = events.map((event) => toOutboxEvent(source, event));
      if (closed || queuedEvents + made.length > maxQueuedEvents) throw new Unavailable();
      const committed = () =>
        new Promise<void>((resolve, reject) => {
          queue.push({ events: made, resolve, reject });
          queuedEvents += made.length;
          flushing ??= outside(() => Promise.resolve().then(flush));
        });
      await followed("append", () => ({ queue: "outbox", events: made }), committed);
    },
    async close() {
      closed = true;
      await flushing;
    },
  };
}
