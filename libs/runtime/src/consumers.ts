import { type Consumer, createConsumer } from "@medvault/messaging";
import type { Consumption, HeldConsumer, Parts } from "./service.ts";

/**
 * Starts the declared consumers, or hands their switches over. Returns what stops all. Throws a
 * RangeError for a queue that the broker would not let this service declare.
 */
export function startConsumers(
  service: string,
  declared: readonly Consumption[],
  { broker, pool }: Pick<Parts, "broker" | "pool">,
): () => Promise<void> {
  const own = new RegExp(`^medvault[.]${service}([.]|$)`);
  const foreign = declared.find(({ queue }) => !own.test(queue));
  if (foreign)
    throw new RangeError(`${foreign.queue} is not a queue of ${service}: name it medvault.${service}.…`);
  const consumers = declared.map(({ held, ...options }) => {
    const consumer = restartable(() => createConsumer({ ...options, broker, pool }));
    if (held) held(consumer);
    else consumer.start();
    return consumer;
  });
  return async () => void (await Promise.all(consumers.map((each) => each.stop())));
}

/** A consumer that was stopped does not start again: each time it is a new one. */
function restartable(create: () => Consumer): HeldConsumer {
  let consumer: Consumer | null = null;
  return {
    start() {
      if (consumer !== null) return;
      consumer = create();
      consumer.start();
    },
    async stop() {
      const stopped = consumer;
      consumer = null;
      await stopped?.stop();
    },
  };
}
