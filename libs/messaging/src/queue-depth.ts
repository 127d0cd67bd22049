import type { Channel } from "amqplib";
import type { Broker } from "./broker.ts";
import { deadNameOf } from "./topology.ts";

export interface QueueDepth {
  readonly queue: string;
  /** Ready to be delivered: without those that a consumer has in hand. */
  readonly messages: number;
  readonly consumers: number;
}

/**
 * Asks the broker how many messages wait in queues, and in the dead queues behind them. The answer
 * throws while the broker is away or a queue is not there yet.
 */
export function queueDepths(
  broker: Pick<Broker, "createChannel">,
  queues: readonly string[],
): () => Promise<QueueDepth[]> {
  let channel: Channel | null = null;
  const open = async (): Promise<Channel> => {
    if (channel !== null) return channel;
    const opened = await broker.createChannel();
    opened.once("close", () => {
      channel = null; // a queue that is not there closes it, too
    });
    channel = opened;
    return opened;
  };
  return async () => {
    const asked = await open();
    const depths: QueueDepth[] = [];
    for (const name of queues.flatMap((queue) => [queue, deadNameOf(queue)])) {
      const { queue, messageCount: messages, consumerCount: consumers } = await asked.checkQueue(name);
      depths.push({ queue, messages, consumers });
    }
    return depths;
  };
}
