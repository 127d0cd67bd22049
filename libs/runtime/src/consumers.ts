import { type Consumer, createConsumer } from "@medvault/messaging";
import type { Consumption, HeldConsumer, Parts } from "./service.ts";

/** Starts the declared consumers, or hands their switches over. Returns what stops them all. */
export function startConsumers(
  declared: readonly Consumption[],
  { broker, pool }: Pick<Parts, "broker" | "pool">,
): () => Promise<void> {
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
