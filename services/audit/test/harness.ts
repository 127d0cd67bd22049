import type { CloudEvent, Role } from "@medvault/contracts";
import type { Keyring } from "@medvault/keys";
import { connectBroker } from "@medvault/messaging";
import {
  createTestBroker,
  createTestDatabase,
  startTestService,
  type TestBroker,
  type TestDatabase,
  testLogger,
} from "@medvault/testing";
import type pg from "pg";
import { expect } from "vitest";
import { openContext } from "../src/context.ts";
import { service } from "../src/service.ts";
import { eventually, givenLog, ORIGIN } from "./log-harness.ts";

type Broker = ReturnType<typeof connectBroker>;

/** What a test has made already, to stand between the service and its servers. */
interface Given {
  database?: TestDatabase;
  pool?: pg.Pool;
  rabbit?: TestBroker;
  amqpUrl?: string;
  /** Default: nobody is there, and names are null. */
  authUrl?: string;
  /** Default: records is away. */
  recordsUrl?: string;
  keyring?: Keyring;
  env?: Readonly<Record<string, string>>;
}

const impatient: typeof service = {
  ...service,
  open: (parts) => openContext(parts, { retryMs: 50, proofWaitMs: 1_000, heartbeatMs: 300, stalledMs: 500 }),
};

/** The whole service with a database, broker and directory of its own; events come by the queue. */
export async function startAudit(given: Given = {}) {
  const [database, rabbit] = await Promise.all([
    given.database ?? createTestDatabase(["audit"]),
    given.rabbit ?? createTestBroker(),
  ]);
  const log = await givenLog(database, given.keyring);
  const broker = connectBroker({ url: given.amqpUrl ?? rabbit.url("audit"), logger: testLogger() });
  const senders = new Map<string, Broker>();
  const options = {
    ...{ database, keyring: log.keyring, pool: given.pool ?? log.pool },
    env: {
      MEDVAULT_AUDIT_DIR: log.dir,
      MEDVAULT_AUTH_URL: given.authUrl ?? "http://127.0.0.1:1",
      MEDVAULT_RECORDS_URL: given.recordsUrl ?? "http://127.0.0.1:1",
      MEDVAULT_AUDIT_ORIGIN: ORIGIN,
      MEDVAULT_AUDIT_CHECKPOINT_MS: "50",
      MEDVAULT_AUDIT_LEASE_MS: "1000",
      ...given.env,
    },
  };
  const { app, context, someone, close } = await startTestService(impatient, { ...options, broker });

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
    ...{ ...log, app, broker, rabbit, sendRaw, writer: context.writer, context, detector: context.detector },
    send: (...events: CloudEvent[]) => sendRaw("records", JSON.stringify(events)),
    as: (role: Role) => someone(role),
    /** Another process of the service, which writes nothing. */
    replica: () => startTestService(impatient, options),
    /** Waits until the log holds as many entries. */
    async logged(count: number): Promise<void> {
      await eventually(async () => {
        const { rows } = await log.superuser.query("select count(*)::int as n from log");
        if (rows[0].n !== count) throw new Error(`${rows[0].n} of ${count} are logged`);
      });
    },
    async end(): Promise<void> {
      await close();
      await Promise.all([...senders.values(), broker].map((each) => each.close()));
      await log.end();
      await Promise.all([database.drop(), rabbit.close()]);
    },
  };
}
export type TestAudit = Awaited<ReturnType<typeof startAudit>>;
