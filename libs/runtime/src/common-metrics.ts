import { readKeyAges } from "@medvault/keys";
import { type Broker, countParked, eventCounts, queueDepths, readLag } from "@medvault/messaging";
import type pg from "pg";
import { looked } from "./metrics.ts";
import type { Metric } from "./service.ts";
import { WATCHED_EVENTS } from "./watched-event.ts";

export interface Measured {
  readonly name: string;
  readonly pool: pg.Pool;
  readonly broker: Pick<Broker, "createChannel">;
  /** Which it consumes. */
  readonly queues: readonly string[];
}

/** What every service with data shows of itself beside its requests and jobs. */
export function commonMetrics({ name, pool, broker, queues }: Measured): Metric[] {
  return [
    ...outboxMetrics(name, pool),
    ...keyMetrics(pool),
    ...(queues.length > 0 ? queueMetrics(pool, broker, queues) : []),
    {
      name: "postgres_connections",
      help: "Connections of this process's pool, and who waits for one.",
      labelNames: ["state"],
      read: () => [
        { labels: { state: "busy" }, value: pool.totalCount - pool.idleCount },
        { labels: { state: "idle" }, value: pool.idleCount },
        { labels: { state: "waited_for" }, value: pool.waitingCount },
      ],
    },
  ];
}

function outboxMetrics(name: string, pool: pg.Pool): Metric[] {
  const lag = looked(() => readLag(pool));
  return [
    {
      name: "outbox_events",
      help: "Events of the service that wait to be sent to the broker, counted up to 100,000.",
      read: async () => (await lag())?.pending,
    },
    {
      name: "outbox_oldest_seconds",
      help: "For how long the oldest of them has waited.",
      read: async () => (await lag())?.oldestSeconds,
    },
    {
      name: "events_total",
      help: "Audit events that this process committed, by type and outcome.",
      kind: "counter",
      labelNames: ["type", "outcome"],
      read: () => {
        // One that is watched is there from the start: an increase from nothing is none.
        const known = new Map(watchedOf(name).map((event) => [`${event.type} ${event.outcome}`, event]));
        for (const event of eventCounts(name)) known.set(`${event.type} ${event.outcome}`, event);
        return [...known.values()].map(({ type, outcome, count }) => ({
          ...{ labels: { type, outcome }, value: count },
        }));
      },
    },
  ];
}

const watchedOf = (name: string) =>
  WATCHED_EVENTS.filter(({ type }) => type.startsWith(`medvault.${name}.`)).map((event) => ({
    ...event,
    count: 0,
  }));

function keyMetrics(pool: pg.Pool): Metric[] {
  const ages = looked(() => readKeyAges(pool));
  return [
    {
      name: "key_age_seconds",
      help: "Age of the service key's newest version, and of the oldest active key of each other kind.",
      labelNames: ["kind"],
      read: async () =>
        (await ages())?.byKind.map(({ kind, seconds }) => ({ labels: { kind }, value: seconds })),
    },
    {
      name: "shred_waiting_seconds",
      help: "For how long the oldest shred has waited to be final (24 h at most); 0: none waits.",
      read: async () => (await ages())?.shredSeconds,
    },
  ];
}

function queueMetrics(pool: pg.Pool, broker: Measured["broker"], queues: readonly string[]): Metric[] {
  const depths = looked(queueDepths(broker, queues));
  const parked = looked(() => countParked(pool));
  return [
    {
      name: "queue_messages",
      help: "Messages that wait in a queue of the service, and in the dead queue behind it.",
      labelNames: ["queue"],
      read: async () =>
        (await depths())?.map(({ queue, messages }) => ({ labels: { queue }, value: messages })),
    },
    {
      name: "queue_consumers",
      help: "Processes that take messages from the queue.",
      labelNames: ["queue"],
      read: async () =>
        (await depths())?.map(({ queue, consumers }) => ({ labels: { queue }, value: consumers })),
    },
    {
      name: "parked_messages",
      help: "Messages that could not be taken, and wait for someone to look (up to 1,000).",
      read: parked,
    },
  ];
}
