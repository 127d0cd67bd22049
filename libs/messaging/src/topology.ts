import type { Channel } from "amqplib";

/** Every event goes through this one exchange. */
export const EVENTS_EXCHANGE = "medvault.events";
/** The audit service's queue. No relay publishes before it is there. */
export const AUDIT_QUEUE = "medvault.audit";
/** One word for the service, so that no domain event (its type, which ends in .vN) can match. */
export const AUDIT_BINDING = "medvault.*.audit";

/**
 * Deliveries of one message before it goes to the dead queue, from where the consumer parks it. A
 * consumer never nacks; what counts here is a process that dies with the message in hand.
 */
const DELIVERY_LIMIT = 20;
// A queue that no consumer empties must not fill the broker's disk: beyond it publishes are
// refused, and events wait in their outboxes.
const MAX_QUEUE_BYTES = 2 * 1024 ** 3;

export function auditRoutingKey(service: string): string {
  return `medvault.${service}.audit`;
}

export function deadNameOf(queue: string): string {
  return `${queue}.dead`;
}

/** A queue's arguments, the same in code and in the broker's definitions: they must agree. */
export function queueArguments(queue: string): Record<string, string | number> {
  return {
    "x-queue-type": "quorum",
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": deadNameOf(queue),
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    "x-max-length-bytes": MAX_QUEUE_BYTES,
  };
}

export const DEAD_QUEUE_ARGUMENTS = { "x-queue-type": "quorum" } as const;

/** The exchange and the audit queue. Only the audit service's user may declare them. */
export async function assertTopology(channel: Channel): Promise<void> {
  await channel.assertExchange(EVENTS_EXCHANGE, "topic", { durable: true });
  await assertConsumerQueue(channel, AUDIT_QUEUE, [AUDIT_BINDING]);
}

/** Throws, and the broker closes the channel, unless exchange and audit queue are there. */
export async function checkTopology(channel: Channel): Promise<void> {
  await channel.checkExchange(EVENTS_EXCHANGE);
  await channel.checkQueue(AUDIT_QUEUE);
}

/** A consumer's queue with its bindings, and the dead queue behind it. */
export async function assertConsumerQueue(
  channel: Channel,
  queue: string,
  bindings: readonly string[],
): Promise<void> {
  const dead = deadNameOf(queue);
  await channel.assertExchange(dead, "fanout", { durable: true });
  await channel.assertQueue(dead, { durable: true, arguments: DEAD_QUEUE_ARGUMENTS });
  await channel.bindQueue(dead, dead, "");
  await channel.assertQueue(queue, { durable: true, arguments: queueArguments(queue) });
  for (const binding of bindings) await channel.bindQueue(queue, EVENTS_EXCHANGE, binding);
}
