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
  /** Events of people who are known, kept while the broker is away; default 10,000. */
  maxOfPeople?: number;
}

export interface LossyProducer {
  /** Counts it with its like: type, outcome, reason, address, person. Never throws or waits. */
  record(event: NewEvent): void;
  /**
   * The same for an event that is to be found by its request: it goes out by itself, within a
   * fifth of a second. False where there is no room for it: then it was counted, as by `record`.
   */
  recordAlone(event: NewEvent): boolean;
  /** How many events were dropped since the start. */
  dropped(): number;
  /** Sends what is there, within 3 s, and ends. */
  close(): Promise<void>;
}

interface Gathered {
  event: NewEvent;
  count: number;
}

/** What has room of its own: a flood of guests takes none from people who are known. */
interface Room {
  readonly gathered: Map<string, Gathered>;
  readonly max: number;
  unsent: string[];
}

const CLOSE_TIMEOUT_MS = 3_000;
const SOON_MS = 200;

/**
 * The producer of a process without a database. Every flush sends one event per kind, address and
 * person, with `details.count`, under publisher confirms. What does not fit into its buffers is
 * dropped and counted, in an event too (`medvault.<source>.events.dropped.v1`). A crash loses what
 * is unsent.
 */
export function createLossyProducer(options: LossyProducerOptions): LossyProducer {
  const { broker, source, instance, maxEvents = 1_000, maxOfPeople = 10_000 } = options;
  const guests: Room = { gathered: new Map(), max: maxEvents, unsent: [] };
  const people: Room = { gathered: new Map(), max: maxOfPeople, unsent: [] };
  let droppedTotal = 0;
  let droppedUnsaid = 0;
  let channel: ConfirmChannel | null = null;
  let flushing: Promise<void> | null = null;
  let soon: NodeJS.Timeout | null = null;

  function drop(count: number): void {
    droppedTotal += count;
    droppedUnsaid += count;
  }

  /** Moves what was gathered into the buffers of what is to be sent. */
  function turnOver(): void {
    for (const room of [people, guests]) {
      for (const { event, count } of room.gathered.values()) {
        // A person's count says how much is missing beside it: it has room beyond the others.
        if (room.unsent.length >= room.max + (room === people ? maxEvents : 0)) drop(count);
        else enqueue(room, { ...event, data: { ...event.data, details: { ...event.data.details, count } } });
      }
      room.gathered.clear();
    }
    if (droppedUnsaid > 0 && guests.unsent.length < maxEvents) {
      enqueue(guests, droppedEvent(source, instance, droppedUnsaid));
      droppedUnsaid = 0;
    }
  }

  function enqueue(room: Room, event: NewEvent): void {
    try {
      room.unsent.push(toOutboxEvent(`${source}/${instance}`, event).json);
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
    const [ofPeople, ofGuests] = [people.unsent, guests.unsent].map((unsent) => unsent.length);
    const sending = [...people.unsent, ...guests.unsent];
    if (sending.length === 0 || broker.state() !== "connected") return;
    try {
      const confirmed = await publishAll(
        await openChannel(),
        source,
        batchMessages(auditRoutingKey(source), sending),
      );
      // Sent again as a whole when a part was refused: receivers know events by their ids.
      if (confirmed.includes(false)) return;
      people.unsent = people.unsent.slice(ofPeople);
      guests.unsent = guests.unsent.slice(ofGuests);
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

  /** Many that come at once go out together. */
  function flushSoon(): void {
    soon ??= setTimeout(() => {
      soon = null;
      if (flushing) flushSoon();
      else void flush();
    }, SOON_MS).unref();
  }

  function record(event: NewEvent): void {
    const { gathered } = event.data.actor ? people : guests;
    const key = keyOf(event);
    const known = gathered.get(key);
    if (known !== undefined) known.count += 1;
    else if (gathered.size < maxEvents) gathered.set(key, { event, count: 1 });
    else drop(1);
  }

  const timer = setInterval(() => {
    turnOver();
    if (flushing) flushSoon();
    else void flush();
  }, options.flushMs ?? 10_000);
  timer.unref();
  return {
    record,
    recordAlone(event) {
      if (people.unsent.length >= maxOfPeople) {
        record(event);
        return false;
      }
      enqueue(people, event);
      flushSoon();
      return true;
    },
    dropped: () => droppedTotal,
    async close() {
      clearInterval(timer);
      if (soon) clearTimeout(soon);
      const flushAll = () => {
        turnOver();
        return flush();
      };
      await settlesWithin(flushAll().then(flushAll), CLOSE_TIMEOUT_MS);
    },
  };
}

function keyOf(event: NewEvent): string {
  const { outcome, decision, from, actor } = event.data;
  return JSON.stringify([event.type, outcome, decision.reason, from?.ip, actor?.id, actor?.sessionId]);
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
