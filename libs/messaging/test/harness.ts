import { auditEvent, type CloudEvent, type NewEvent } from "@medvault/contracts";
import { createPool } from "@medvault/postgres";
import { type Channel, type ChannelModel, connect } from "amqplib";
import type pg from "pg";
import { onTestFinished } from "vitest";
import {
  createProxy,
  createTestBroker,
  createTestDatabase,
  type TestBroker,
  type TestDatabase,
  type TestProxy,
  testLogger,
} from "../../testing/src/index.ts";

/** An audit (or domain) event of records with a number. */
export function numbered(n: number, audience: "audit" | "domain" = "audit"): NewEvent {
  return auditEvent(null, {
    type: "medvault.records.thing.counted.v1",
    subject: `thing/${n}`,
    action: "thing:count",
    details: { n },
    audience,
  });
}

export function numberOf(event: CloudEvent): unknown {
  return event.data.details?.n;
}

export interface Received {
  userId: string;
  routingKey: string;
  events: CloudEvent[];
}

export interface Listener {
  received: Received[];
  events(): CloudEvent[];
  close(): Promise<void>;
}

/** Reads a queue as an administrator, acknowledging at once. */
export async function listen(broker: TestBroker, queue: string, binding?: string): Promise<Listener> {
  const connection: ChannelModel = await connect(broker.adminUrl);
  connection.on("error", () => {});
  const channel: Channel = await connection.createChannel();
  channel.on("error", () => {});
  if (binding !== undefined) {
    await channel.assertQueue(queue, { durable: true });
    await channel.bindQueue(queue, "medvault.events", binding);
  }
  const received: Received[] = [];
  await channel.consume(queue, (message) => {
    if (message === null) return;
    const body = JSON.parse(message.content.toString()) as CloudEvent | CloudEvent[];
    const userId = String(message.properties.userId);
    received.push({
      userId,
      routingKey: message.fields.routingKey,
      events: Array.isArray(body) ? body : [body],
    });
    channel.ack(message);
  });
  return {
    received,
    events: () => received.flatMap((each) => each.events),
    close: () => connection.close(),
  };
}

export interface Messaging {
  database: TestDatabase;
  broker: TestBroker;
  logger: ReturnType<typeof testLogger>;
  end(): Promise<void>;
}

export async function givenMessaging(): Promise<Messaging> {
  const [database, broker] = await Promise.all([
    createTestDatabase(["records", "files"]),
    createTestBroker(),
  ]);
  return {
    database,
    broker,
    logger: testLogger(),
    async end() {
      await database.drop();
      await broker.close();
    },
  };
}

/** A proxy before a server, closed after the test. */
export async function proxyTo(url: string): Promise<TestProxy> {
  const proxy = await createProxy(url);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A pool that reaches its database by way of a proxy; both end after the test. */
export async function cuttablePool(
  url: string,
  connectTimeoutMs = 500,
): Promise<{ proxy: TestProxy; cutPool: pg.Pool }> {
  const proxy = await proxyTo(url);
  const cutPool = createPool({ connectionString: proxy.url, applicationName: "test", connectTimeoutMs });
  onTestFinished(() => cutPool.end());
  return { proxy, cutPool };
}

/** Lets Postgres forget what earlier tests left. */
export async function emptyTables(database: TestDatabase, service: "records" | "files"): Promise<void> {
  for (const table of ["outbox", "relay_batches", "inbox", "parked"]) {
    await database.pool(service).query("delete from ".concat(table));
  }
}
