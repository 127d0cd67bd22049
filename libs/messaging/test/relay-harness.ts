import { inTransaction } from "@medvault/postgres";
import type pg from "pg";
import { afterAll, afterEach, beforeEach } from "vitest";
import { type Broker, connectBroker } from "../src/broker.ts";
import { emit } from "../src/emit.ts";
import { createRelay, type Relay, type RelayOptions } from "../src/relay.ts";
import { emptyTables, givenMessaging, type Listener, listen, type Messaging, numbered } from "./harness.ts";

export interface Relaying extends Messaging {
  pool: pg.Pool;
  /** What arrives in the audit queue in each test; `open` listens again after a close. */
  audit: Listener & { open(): Promise<void> };
  /** A relay of records with a connection of its own (to `url`); both end after the test. */
  startRelay(options?: Partial<Omit<RelayOptions, "broker">> & { url?: string }): Relay;
  /** Commits the events with these numbers. */
  emitted(from: number, to: number, audience?: "audit" | "domain"): Promise<void>;
}

/** The outbox of records and its relays; vitest's hooks set it up and clear it away. */
export async function givenRelaying(): Promise<Relaying> {
  const messaging = await givenMessaging();
  const { database, broker, logger } = messaging;
  const pool = database.pool("records");
  const relays: Relay[] = [];
  const connections: Broker[] = [];
  let listener: Listener;
  const open = async () => {
    listener = await listen(broker, "medvault.audit");
  };

  afterAll(() => messaging.end());
  beforeEach(async () => {
    await emptyTables(database, "records");
    await pool.query(
      "update producer set lease_owner = null, lease_until = null, heartbeat_at = now(), heartbeat_seq = last_seq",
    );
    await open();
  });
  afterEach(async () => {
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
    await Promise.all(connections.splice(0).map((connection) => connection.close()));
    await listener.close();
  });

  return {
    ...messaging,
    pool,
    audit: {
      get received() {
        return listener.received;
      },
      events: () => listener.events(),
      close: () => listener.close(),
      open,
    },
    startRelay({ url = broker.url("records"), ...options } = {}) {
      const connection = connectBroker({ url, logger });
      connections.push(connection);
      const relay = createRelay({ pool, source: "records", broker: connection, logger, ...options });
      relays.push(relay);
      relay.start();
      return relay;
    },
    async emitted(from, to, audience = "audit") {
      const events = Array.from({ length: to - from + 1 }, (_, i) => numbered(from + i, audience));
      await inTransaction(pool, (tx) => emit(tx, "records", ...events));
    },
  };
}
