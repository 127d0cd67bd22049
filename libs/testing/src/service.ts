import type { Actor, CloudEvent } from "@medvault/contracts";
import { DEFAULT_DIGEST } from "@medvault/crypto";
import type { Keyring } from "@medvault/keys";
import { type Broker, createAppender } from "@medvault/messaging";
import { createServiceApp, type Parts, type ServiceDeclaration, startConsumers } from "@medvault/runtime";
import { type CommonConfig, createLogger, loadConfig, openTls } from "@medvault/service-kit";
import type { Express } from "express";
import type { Redis } from "ioredis";
import pg from "pg";
import type { z } from "zod";
import { type ActorOverrides, actor } from "./actors.ts";
import { testAssertions } from "./assertions.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { drainedEvents } from "./events.ts";
import { listening, signedIn, type TestClient } from "./http.ts";
import { testKeyring } from "./keyring.ts";

export interface TestService<X> {
  readonly url: string;
  readonly app: Express;
  readonly context: X;
  readonly database: TestDatabase;
  /** The service's own. */
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  as(who: Actor): TestClient;
  /** Someone new of this role. */
  someone(role: Parameters<typeof actor>[0], overrides?: ActorOverrides): TestClient;
  /** The events since the last call. */
  events(): Promise<CloudEvent[]>;
  /** To break what the service's role cannot. */
  superuser(statement: string): Promise<void>;
  /** Every row of every table of the service, as text. */
  dump(): Promise<string>;
  close(): Promise<void>;
}

export interface TestServiceOptions {
  /** Settings beside those that every service needs. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of the test, which drops it (other services' schemas may be in it). Default: a new one. */
  readonly database?: TestDatabase;
  /** A connection that the test cuts at will. Default: straight to the database. */
  readonly pool?: pg.Pool;
  /** Its consumers run. Default: none, and its events stay in the outbox. */
  readonly broker?: Broker;
  readonly keyring?: Keyring;
  readonly digest?: Parts["digest"];
  readonly redis?: Redis;
  now?(): Date;
}

/**
 * A declared service over a database, listening, with the test gateway's assertions. Its jobs and
 * its relay do not run by themselves.
 */
export async function startTestService<C extends z.ZodObject, X>(
  service: ServiceDeclaration<C, X>,
  options: TestServiceOptions = {},
): Promise<TestService<X>> {
  const { name } = service;
  const { env = {}, digest = DEFAULT_DIGEST, redis = null, now = () => new Date() } = options;
  const { broker = NO_BROKER } = options;
  const database = options.database ?? (await createTestDatabase([name]));
  const config = loadConfig(service.config, { ...settings(database.url(name)), ...env }) as CommonConfig;
  const pool = options.pool ?? database.pool(name, service.pool?.(config as z.infer<C>));
  const keyring = options.keyring ?? (await testKeyring(name));
  const appender = createAppender(pool, name);
  const logger = createLogger({ service: name, level: "silent" });
  const tls = await openTls(config, logger);
  const steps: (() => Promise<unknown> | unknown)[] = [];
  const parts = {
    ...{ config, pool, keyring, digest, appender, logger, now, broker, tls },
    get redis(): Redis {
      if (redis === null) throw new Error("this test gave no Redis");
      return redis;
    },
    onStop: (step: () => Promise<unknown> | unknown) => void steps.unshift(step),
  };
  const context = await service.open(parts as Parts<z.infer<C>>);
  const app = createServiceApp(
    service,
    { pool, appender, logger, broker, redis },
    context,
    (await testAssertions()).verifier(name),
  );
  const declared = broker === NO_BROKER ? [] : (service.consumers?.(context) ?? []);
  const stopConsumers = startConsumers(name, declared, { broker, pool });
  const { url, close } = await listening(app);
  const as = (who: Actor) => signedIn(url, who);
  return {
    ...{ url, app, context, database, pool, keyring, as },
    someone: (role, overrides) => as(actor(role, overrides)),
    events: () => drainedEvents(pool),
    superuser: (statement) =>
      asSuperuser(database.superuserUrl, async (client) => void (await client.query(statement))),
    dump: () => asSuperuser(database.superuserUrl, (client) => dump(client, name)),
    async close() {
      await close();
      await stopConsumers();
      for (const step of steps) await step();
      await appender.close();
      tls.close();
      if (options.database === undefined) await database.drop();
    },
  };
}

function settings(databaseUrl: string): Record<string, string> {
  return {
    NODE_ENV: "test",
    LOG_LEVEL: "silent",
    PORT: "0",
    ADMIN_PORT: "0",
    DATABASE_URL: databaseUrl,
    AMQP_URL: "amqp://not-used.invalid",
    MEDVAULT_ASSERTION_JWKS_FILE: "not-used",
  };
}

/** Its state is what readiness asks for; what would send fails. */
const NO_BROKER = { state: () => "connected" } as Broker;

async function asSuperuser<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function dump(client: pg.Client, service: string): Promise<string> {
  const { rows: tables } = await client.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ($1::text, $1::text || '_sys')",
    [service],
  );
  let text = "";
  for (const { name } of tables) {
    const { rows } = await client.query({ text: `select t::text from ${name} t`, rowMode: "array" });
    text += rows.map((row) => String(row[0])).join("\n");
  }
  return text;
}
