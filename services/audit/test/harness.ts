import type { CloudEvent, Role } from "@medvault/contracts";
import type { Keyring } from "@medvault/keys";
import { connectBroker, createAppender } from "@medvault/messaging";
import { createLogger } from "@medvault/service-kit";
import {
  actor,
  createTestBroker,
  createTestDatabase,
  signedIn,
  type TestBroker,
  type TestClient,
  type TestDatabase,
  testAssertions,
  testLogger,
} from "@medvault/testing";
import { expect } from "vitest";
import { type AuditParts, joinAudit } from "../src/app.ts";
import { eventually, givenLog, ORIGIN } from "./log-harness.ts";

type Broker = ReturnType<typeof connectBroker>;

/** Servers that a test has made already, to stand between them and the service. */
interface GivenServers {
  database?: TestDatabase;
  rabbit?: TestBroker;
  amqpUrl?: string;
  keyring?: Keyring;
}

/**
 * The whole service over a database, a broker and a directory of its own; events come in by the
 * queue.
 */
export async function startAudit(overrides: Partial<AuditParts> = {}, servers: GivenServers = {}) {
  const [database, rabbit] = await Promise.all([
    servers.database ?? createTestDatabase(["audit"]),
    servers.rabbit ?? createTestBroker(),
  ]);
  const log = await givenLog(database, servers.keyring);
  const pool = database.pool("audit");
  const broker = connectBroker({ url: servers.amqpUrl ?? rabbit.url("audit"), logger: testLogger() });
  const appender = createAppender(pool, "audit");
  const senders = new Map<string, Broker>();
  const parts: AuditParts = {
    pool,
    keyring: log.keyring,
    broker,
    appender,
    assertions: (await testAssertions()).verifier("audit"),
    logger: createLogger({ service: "audit", level: "silent" }),
    directory: log.dir,
    origin: ORIGIN,
    writer: { checkpointMs: 50, leaseMs: 1_000, retryMs: 50 },
    proofWaitMs: 1_000,
    ...overrides,
  };
  const { app, writer } = await joinAudit(parts);
  writer.start();

  /** Sends a body to the audit queue as the relay of `user` would. */
  async function sendRaw(
    user: "records" | "auth" | "gateway",
    body: string,
    userId: string = user,
  ): Promise<void> {
    const sender = senders.get(user) ?? connectBroker({ url: rabbit.url(user), logger: testLogger() });
    senders.set(user, sender);
    await eventually(() => expect(sender.state()).toBe("connected"));
    const channel = await sender.createConfirmChannel();
    channel.publish("medvault.events", `medvault.${user}.audit`, Buffer.from(body), {
      persistent: true,
      mandatory: true,
      userId,
      contentType: "application/cloudevents-batch+json",
    });
    await channel.waitForConfirms();
    await channel.close();
  }

  return {
    ...log,
    app,
    writer,
    parts,
    rabbit,
    sendRaw,
    send: (...events: CloudEvent[]) => sendRaw("records", JSON.stringify(events)),
    as: (role: Role, permissions?: string[]): TestClient =>
      signedIn(app, actor(role, permissions === undefined ? {} : { permissions })),
    /** Waits until the log holds as many entries. */
    async logged(count: number): Promise<void> {
      await eventually(async () => {
        const { rows } = await log.superuser.query("select count(*)::int as n from log");
        if (rows[0].n !== count) throw new Error(`${rows[0].n} of ${count} are logged`);
      });
    },
    async end(): Promise<void> {
      await writer.stop();
      await appender.close();
      await Promise.all([...senders.values(), broker].map((each) => each.close()));
      await log.end();
      await Promise.all([database.drop(), rabbit.close()]);
    },
  };
}
export type TestAudit = Awaited<ReturnType<typeof startAudit>>;
