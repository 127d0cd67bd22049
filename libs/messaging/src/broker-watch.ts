import type { Socket } from "node:net";
import type { Channel, ChannelModel } from "amqplib";
import { settlesWithin } from "./backoff.ts";

const EVERY_MS = 1_500;
const ANSWER_MS = 2_000;

/**
 * Asks the broker a trifle again and again, and ends the connection to one that does not answer:
 * heartbeats take 8 s to notice. A broker that is short of disk or memory stops to read on purpose
 * and says so; it is left alone. Ends by itself with the connection.
 */
export function watchBroker(model: ChannelModel): void {
  let channel: Channel | null = null;
  let blocked = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  model.on("blocked", () => {
    blocked = true;
  });
  model.on("unblocked", () => {
    blocked = false;
  });
  model.once("close", () => {
    closed = true;
    clearTimeout(timer);
  });

  async function ask(): Promise<void> {
    channel ??= await openChannel();
    await channel.prefetch(1); // needs no permission, no queue, and has an answer
  }

  async function openChannel(): Promise<Channel> {
    const opened = await model.createChannel();
    opened.on("error", () => {});
    opened.once("close", () => {
      channel = null;
    });
    return opened;
  }

  async function look(): Promise<void> {
    const answered = blocked || (await settlesWithin(ask(), ANSWER_MS));
    if (closed) return;
    if (answered || blocked) timer = setTimeout(look, EVERY_MS).unref();
    else endConnection(model, new Error("the broker does not answer"));
  }
  timer = setTimeout(look, EVERY_MS).unref();
}

/** Ends it without a word: the other side would not hear a polite one. */
export function endConnection(model: ChannelModel, reason?: Error): void {
  (model.connection as unknown as { stream: Socket }).stream.destroy(reason);
}
