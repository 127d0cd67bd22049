import type { NewEvent } from "@medvault/contracts";
import type { ConfirmChannel } from "amqplib";
import { settlesWithin } from "./backoff.ts";
import type { Broker } from "./broker.ts";
import { toOutboxEvent } from "./envelope.ts";
import { codeOf } from "./errors.ts";
import { publishAll } from "./publisher.ts";
import { batchMessages } from "./relay-messages.ts";
import { auditRoutingKey, checkTopology } from "./topology.ts";

export interface LossyProducerOptions {
  broker: Broker;
  /** The service's name, which is also its user at the broker. */
  source: string;
  /** Which replica it is: events come from `/medvault/<source>/<instance>`. */
  instance: string;
  /** Default 10,000. */
  flushMs?: number;
  /** Kinds per address gathered, and events kept while the broker is away; default 1,000 each. */
  maxEvents?: number;
}

export interface LossyProducer {
  /** Counts the event with its like (type, outcome, reason, address). Never throws or waits. */
  record(event: NewEvent): void;
  /** How many events were dropped since the start. */
  dropped(): number;
  /** Sends what is there, within 3 s, and ends. */
  close(): Promise<void>;
}

interface Gathered {
  event: NewEvent;
  count: number;
}

const CLOSE_TIMEOUT_MS = 3_000;

/**
 * The producer of a process without a database. Every flush sends one event per kind and address,
 * with `details.count`, under publisher confirms. What does not fit into its buffers is dropped and
 * counted, in an event too (`medvault.<source>.events.dropped.v1`). A crash loses what is unsent.
 */
export function createLossyProducer(options: LossyProducerOptions): LossyProducer {
  const { broker, source, instance } = options;
  const maxEvents = options.maxEvents ?? 1_000;
  const gathered = new Map<string, Gathered>();
  let unsent: string[] = [];
  let droppedTotal = 0;
  let droppedUnsaid = 0;
  let channel: ConfirmChannel | null = null;
  let flushing: Promise<void> | null = null;

  function drop(count: number): void {
    droppedTotal += count;
    droppedUnsaid += count;
  }

  /** Moves what was gathered into the buffer of what is to be sent. */
  function turnOver(): void {
    for (const { event, count } of gathered.values()) {
      if (unsent.length >= maxEvents) drop(count);
      else enqueue({ ...event, data: { ...event.data, details: { ...event.data.details, count } } });
    }
    gathered.clear();
    if (droppedUnsaid > 0 && unsent.length < maxEvents) {
      enqueue(droppedEvent(source, instance, droppedUnsaid));
      droppedUnsaid = 0;
    }
  }

  function enqueue(event: NewEvent): void {
    try {
      unsent.push(toOutboxEvent(`${source}/${instance}`, event).json);
    } catch (error) {
      broker.logger.error({ code: codeOf(error) }, "event refused");
      drop(1);
    }
  }

  async function openChannel(): Promise<ConfirmChannel> {
    if (channel !== null) return channel;
    const opened = await broker.createConfirmChannel();
    opened.once("close", () => {
      if (channel === opened) channel = null;
    });
    await checkTopology(opened);
    channel = opened;
    return opened;
  }

  async function send(): Promise<void> {
    turnOver();
    if (unsent.length === 0 || broker.state() !== "connected") return;
    const sending = unsent;
    try {
      const confirmed = await publishAll(
        await openChannel(),
        source,
        batchMessages(auditRoutingKey(source), sending),
      );
      // Sent again as a whole when a part was refused: receivers know events by their ids.
      if (!confirmed.includes(false)) unsent = unsent.slice(sending.length);
    } catch (error) {
      broker.logger.warn({ code: codeOf(error) }, "security events wait");
    }
  }

  function flush(): Promise<void> {
    flushing ??= send().finally(() => {
      flushing = null;
    });
    return flushing;
  }

  const timer = setInterval(() => void flush(), options.flushMs ?? 10_000);
  timer.unref();
  return {
    record(event) {
      const key = keyOf(event);
      const known = gathered.get(key);
      if (known !== undefined) known.count += 1;
      else if (gathered.size < maxEvents) gathered.set(key, { event, count: 1 });
      else drop(1);
    },
    dropped: () => droppedTotal,
    async close() {
      clearInterval(timer);
      await settlesWithin(
        flush().then(() => flush()),
        CLOSE_TIMEOUT_MS,
      );
    },
  };
}

function keyOf(event: NewEvent): string {
  const { outcome, decision, from } = event.data;
  return JSON.stringify([event.type, outcome, decision.reason, from?.ip ?? null]);
}

function droppedEvent(source: string, instance: string, count: number): NewEvent {
  return {
    type: `medvault.${source}.events.dropped.v1`,
    subject: `producer/${source}`,
    requestId: null,
    traceparent: null,
    data: {
      actor: null,
      from: null,
      patientIds: [],
      action: "events:drop",
      purpose: null,
      decision: { allowed: true, reason: "buffer_full" },
      outcome: "failure",
      fields: [],
      details: { count, instance: instance.slice(0, 200) },
    },
  };
}
