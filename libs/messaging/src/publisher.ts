import { newId } from "@medvault/contracts";
import type { ConfirmChannel } from "amqplib";
import { BrokerUnavailable } from "./errors.ts";
import { followed } from "./event-journey.ts";
import { EVENTS_EXCHANGE } from "./topology.ts";

export interface OutgoingMessage {
  routingKey: string;
  contentType: string;
  body: Buffer;
  /** What is in the body, each as JSON, for those who follow events. */
  events?: readonly string[];
}

export const BATCH_CONTENT_TYPE = "application/cloudevents-batch+json";
export const EVENT_CONTENT_TYPE = "application/cloudevents+json";

const CONFIRM_TIMEOUT_MS = 15_000;

/**
 * Publishes messages and waits for the broker's answer on each: true is safely queued, false is
 * refused or returned (no queue is bound to it, which the broker confirms as a success all the
 * same). `userId` must be the connection's user, or the broker closes the channel. Throws
 * BrokerUnavailable when the channel ends or 15 s pass: then nothing is known of any of them.
 */
export function publishAll(
  channel: ConfirmChannel,
  userId: string,
  messages: readonly OutgoingMessage[],
): Promise<boolean[]> {
  const journey = () => ({ queue: EVENTS_EXCHANGE, events: messages.flatMap(({ events = [] }) => events) });
  return followed("send", journey, () => confirmAll(channel, userId, messages));
}

async function confirmAll(
  channel: ConfirmChannel,
  userId: string,
  messages: readonly OutgoingMessage[],
): Promise<boolean[]> {
  const returned = new Set<string>();
  const onReturn = (message: { properties: { messageId?: string } }): void => {
    returned.add(message.properties.messageId ?? "");
  };
  channel.on("return", onReturn);
  let timer: NodeJS.Timeout | undefined;
  let onClose: (() => void) | undefined;
  try {
    const ended = new Promise<never>((_resolve, reject) => {
      onClose = () => reject(new BrokerUnavailable());
      channel.once("close", onClose);
      timer = setTimeout(onClose, CONFIRM_TIMEOUT_MS);
    });
    const confirmed = messages.map((message) => publishOne(channel, userId, message, returned));
    return await Promise.race([Promise.all(confirmed), ended]);
  } finally {
    clearTimeout(timer);
    channel.removeListener("return", onReturn);
    if (onClose !== undefined) channel.removeListener("close", onClose);
  }
}

function publishOne(
  channel: ConfirmChannel,
  userId: string,
  message: OutgoingMessage,
  returned: ReadonlySet<string>,
): Promise<boolean> {
  const messageId = newId();
  return new Promise((resolve, reject) => {
    const properties = {
      mandatory: true,
      persistent: true,
      userId,
      messageId,
      contentType: message.contentType,
    };
    try {
      channel.publish(EVENTS_EXCHANGE, message.routingKey, message.body, properties, (refused: unknown) => {
        resolve(refused === null && !returned.has(messageId));
      });
    } catch {
      // amqplib throws when the channel is closed already.
      reject(new BrokerUnavailable());
    }
  });
}
