import { auditEvent, type CloudEvent, type NewEvent } from "@medvault/contracts";
import { type Channel, type ChannelModel, connect } from "amqplib";
import {
  createTestBroker,
  createTestDatabase,
  type TestBroker,
  type TestDatabase,
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

/** Lets Postgres forget what earlier tests left. */
export async function emptyTables(database: TestDatabase, service: "records" | "files"): Promise<void> {
  for (const table of ["outbox", "relay_batches", "inbox", "parked"]) {
    await database.pool(service).query("delete from ".concat(table));
  }
}
