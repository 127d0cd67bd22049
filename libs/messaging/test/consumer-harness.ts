import type { CloudEvent } from "@medvault/contracts";
import { type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import type pg from "pg";
import { afterAll, afterEach, beforeEach, expect, vi } from "vitest";
import { type Broker, connectBroker } from "../src/broker.ts";
import { type Consumer, createConsumer } from "../src/consumer.ts";
import type { EventHandler } from "../src/effect.ts";
import { toOutboxEvent } from "../src/envelope.ts";
import { listParked } from "../src/parked.ts";
import { EVENT_CONTENT_TYPE, publishAll } from "../src/publisher.ts";
import { emptyTables, givenMessaging, type Messaging, numbered, numberOf } from "./harness.ts";

export const QUEUE = "medvault.files.things";
export const KEY = "medvault.records.thing.counted.v1";

export interface Consumption extends Messaging {
  pool: pg.Pool;
  /** Sends as records does; the events' own JSON. */
  publish(bodies: string[], contentType?: string): Promise<void>;
  /** Without a user id. */
  publishAnonymously(body: string): Promise<void>;
  startConsumer(handle: EventHandler, options?: StartOptions): Promise<Consumer>;
  queueDepth(): Promise<number>;
  /** Waits until messages like these are parked. */
  untilParked(expected: object[], ms?: number): Promise<void>;
}

export interface StartOptions {
  pool?: pg.Pool;
  url?: string;
  allowedSources?: string[];
}

/** The files service consuming records' events; vitest's hooks set it up and clear it away. */
export async function givenConsumption(): Promise<Consumption> {
  const messaging = await givenMessaging();
  const { database, broker: testBroker, logger } = messaging;
  const pool = database.pool("files");
  const consumers: Consumer[] = [];
  const brokers: Broker[] = [];
  let sender: ChannelModel;
  let channel: ConfirmChannel;

  afterAll(() => messaging.end());
  beforeEach(async () => {
    await emptyTables(database, "files");
    logger.lines.length = 0;
    sender = await connect(testBroker.url("records"));
    channel = await sender.createConfirmChannel();
  });
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.stop()));
    await Promise.all(brokers.splice(0).map((broker) => broker.close()));
    await sender.close();
    for (const queue of [QUEUE, `${QUEUE}.dead`]) {
      await testBroker.manage("DELETE", `queues/{vhost}/${queue}`).catch(() => {});
    }
  });

  return {
    ...messaging,
    pool,
    async publish(bodies, contentType = EVENT_CONTENT_TYPE) {
      const messages = bodies.map((body) => ({ routingKey: KEY, contentType, body: Buffer.from(body) }));
      expect(await publishAll(channel, "records", messages)).not.toContain(false);
    },
    async publishAnonymously(body) {
      channel.publish("medvault.events", KEY, Buffer.from(body), { contentType: EVENT_CONTENT_TYPE });
      await channel.waitForConfirms();
    },
    async startConsumer(handle, options = {}) {
      const broker = connectBroker({ url: options.url ?? testBroker.url("files"), logger });
      brokers.push(broker);
      const consumer = createConsumer({
        broker,
        pool: options.pool ?? pool,
        queue: QUEUE,
        bindings: [KEY],
        handle,
        redriveMs: 100,
        ...(options.allowedSources ? { allowedSources: options.allowedSources } : {}),
      });
      consumers.push(consumer);
      consumer.start();
      await vi.waitFor(() => expect(consumer.state()).toBe("consuming"), 5_000);
      return consumer;
    },
    async untilParked(expected, ms = 5_000) {
      await vi.waitFor(async () => expect(await listParked(pool)).toMatchObject(expected), ms);
    },
    async queueDepth() {
      const connection = await connect(testBroker.adminUrl);
      const { messageCount } = await (await connection.createChannel()).checkQueue(QUEUE);
      await connection.close();
      return messageCount;
    },
  };
}

export function eventJson(n: number): string {
  return toOutboxEvent("records", numbered(n)).json;
}

/** A handler that keeps what it was given. */
export function recorder(): { handle: EventHandler; effects: number[] } {
  const effects: number[] = [];
  return {
    effects,
    handle: async (events: CloudEvent[]) => {
      effects.push(...events.map((event) => Number(numberOf(event))));
    },
  };
}
