import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type ClientRequest, type RequestOptions, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudEvent, DEFAULT_PERMISSIONS, newId, type Role } from "@medvault/contracts";
import {
  AssertionVerifier,
  createListener,
  createLogger,
  loadConfig,
  newAssertionKey,
  openTls,
  type Tls,
} from "@medvault/service-kit";
import {
  createProxy,
  createTestBroker,
  createTestRedis,
  type TestBroker,
  type TestProxy,
  type TestRedis,
} from "@medvault/testing";
import type { Express } from "express";
import type { JWTPayload } from "jose";
import { afterAll, onTestFinished, TestRunner } from "vitest";
import { GatewayConfig } from "../src/config.ts";
import { SERVICES, type ServiceName } from "../src/routing/route-table.ts";
import { gateway } from "../src/service.ts";
import { FakeAuth, FakeService } from "./fake-services.ts";

export { now } from "./fake-services.ts";

export interface Person {
  sub: string;
  sid: string;
  role: Role;
  token: string;
}

export interface Harness {
  services: Record<ServiceName, FakeService>;
  auth: FakeAuth;
  redis: TestRedis;
  /** What the gateway reaches Redis through, to take it away. */
  redisLink: TestProxy;
  broker: TestBroker;
  /** The settings of a gateway that uses all this. */
  env: Record<string, string>;
  /** A person with a live session, in Redis and at auth. */
  signIn(
    role: Exclude<Role, "guest">,
    options?: { cached?: boolean; session?: Record<string, string>; claims?: JWTPayload },
  ): Promise<Person>;
  /** How many requests the services have seen together. */
  reached(): number;
  close(): Promise<void>;
}

/** Everything a gateway needs: a real Redis, a real RabbitMQ, its key, and five fake services. */
export async function createHarness(): Promise<Harness> {
  const [redis, broker] = await Promise.all([createTestRedis(), createTestBroker()]);
  const redisLink = await createProxy(redis.url);
  const { privateJwk, jwks } = await newAssertionKey();
  const dir = await mkdtemp(join(tmpdir(), "gateway-"));
  const keyFile = join(dir, "gateway.json");
  await writeFile(keyFile, JSON.stringify({ service: "gateway", signing: privateJwk }), { mode: 0o600 });
  const services = Object.fromEntries(SERVICES.map((name) => [name, new FakeService(name)])) as Record<
    ServiceName,
    FakeService
  >;
  for (const service of Object.values(services)) {
    service.verifier = new AssertionVerifier(jwks, service.name, () => new Date(service.now()));
    await service.start();
  }
  const auth = new FakeAuth();
  await auth.init();
  auth.serve(services.auth);
  await fillRedis(redis);
  const urls = Object.fromEntries(
    SERVICES.map((name) => [`MEDVAULT_${name.toUpperCase()}_URL`, services[name].url]),
  );
  const env = {
    NODE_ENV: "test",
    PORT: "0",
    ADMIN_PORT: "0",
    AMQP_URL: broker.url("gateway"),
    REDIS_URL: redisLink.url,
    MEDVAULT_KEYS_FILE: keyFile,
    MEDVAULT_RATE_LIMIT: "100000",
    ...urls,
  };
  const signIn: Harness["signIn"] = async (role, options = {}) => {
    const [sub, sid] = [newId(), newId()];
    const scope = DEFAULT_PERMISSIONS[role].join(" ");
    const session = {
      sub,
      role,
      pv: "1",
      idleEnd: String(Date.now() + 900_000),
      idleMs: "900000",
      absEnd: String(Date.now() + 3_600_000),
      uaHash: "",
      ip: "127.0.0.1",
      net: "127.0.0.1",
      bindAgent: "off",
      bindAddress: "off",
      transport: "bearer",
      csrf: "",
      mfa: "1",
      enroll: "0",
      ...options.session,
    };
    if (options.cached !== false) await redis.client.hset(`session:${sid}`, session);
    auth.sessions.set(sid, {
      ...session,
      scope: session.enroll === "1" ? "account:enroll:own" : scope,
      pv: 1,
      idleEnd: Number(session.idleEnd),
      absEnd: Number(session.absEnd),
    });
    const token = await auth.token({ sub, sid, role, scope, ...options.claims });
    return { sub, sid, role, token };
  };

  const reached = () => Object.values(services).reduce((sum, { seen }) => sum + seen.length, 0);
  const close = async () => {
    await Promise.all(Object.values(services).map((service) => service.stop()));
    await redisLink.close();
    await redis.close();
    await broker.close();
    await rm(dir, { recursive: true });
  };
  return { services, auth, redis, redisLink, broker, env, signIn, reached, close };
}

/** Runs when the test that is running ends; outside of tests, when the file does. */
export function finallyDo(end: () => unknown): void {
  const ends = async () => void (await end());
  if (TestRunner.getCurrentTest()) onTestFinished(ends);
  else afterAll(ends);
}

/** A harness that is closed by itself (finallyDo). */
export async function givenHarness(): Promise<Harness> {
  const harness = await createHarness();
  finallyDo(() => harness.close());
  return harness;
}

/** As auth does at its start: every role's permissions, then the mark with this Redis' run id. */
async function fillRedis(redis: TestRedis): Promise<void> {
  const runId = /^run_id:(\w+)/m.exec(await redis.client.info("server"))?.[1] ?? "";
  for (const [role, permissions] of Object.entries(DEFAULT_PERMISSIONS)) {
    await redis.client.mset(`pv:${role}`, "1", `scope:${role}`, permissions.join(" "));
  }
  await redis.client.set("sessions:filled", runId);
}

export interface OpenGateway {
  app: Express;
  tls: Tls;
  onMalformed: ((address: string) => void) | undefined;
  stop(): Promise<void>;
}

/** The gateway's app with these settings, without a listener. */
export async function openGateway(
  env: Record<string, string | undefined>,
  logger = createLogger({ service: "gateway", level: "silent" }),
): Promise<OpenGateway> {
  const config = loadConfig(GatewayConfig, env);
  const tls = await openTls(config, logger);
  const { app, onMalformed, onStop } = await gateway.open({ config, logger, tls });
  return {
    app,
    tls,
    onMalformed,
    async stop() {
      for (const step of onStop) await step();
      tls.close();
    },
  };
}

export interface TestGateway extends Omit<Harness, "close"> {
  gateway: OpenGateway;
  url: string;
  call(path: string, init?: RequestInit & { as?: Person | string }): Promise<Response>;
  /** Stops the gateway, which sends what it has gathered, and reads all of the audit queue. */
  audited(): Promise<{ raw: string; events: CloudEvent[] }>;
}

/** A whole gateway on a port of its own, with a harness of its own. It ends by itself. */
export async function givenGateway(
  settings: Partial<Record<keyof GatewayConfig, string>> = {},
): Promise<TestGateway> {
  const harness = await givenHarness();
  const gateway = await openGateway({ ...harness.env, ...settings });
  const { tls, onMalformed } = gateway;
  const logger = createLogger({ service: "gateway", level: "silent" });
  const server = createListener({ tls, logger, onMalformed }, gateway.app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  finallyDo(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await gateway.stop();
  });
  await untilConnected(url);
  return {
    ...harness,
    gateway,
    url,
    call: (path, { as, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (typeof init.body === "string" && !headers.has("content-type"))
        headers.set("content-type", "application/json");
      if (as) headers.set("authorization", `Bearer ${typeof as === "string" ? as : as.token}`);
      return fetch(`${url}${path}`, { redirect: "manual", ...init, headers });
    },
    async audited() {
      await gateway.stop();
      const get = { count: 100, ackmode: "ack_requeue_false", encoding: "auto" };
      const found = await harness.broker.manage("POST", "queues/{vhost}/medvault.audit/get", get);
      const raw = (found as { payload: string }[]).map(({ payload }) => payload);
      const events = raw.flatMap((payload) => JSON.parse(payload) as unknown[]);
      return { raw: raw.join("\n"), events: events.map((event) => CloudEvent.parse(event)) };
    },
  };
}

/** A request of Node's own, to be ended by the caller: for what fetch does not send. */
export function ask(url: string, path: string, as: Person, options: RequestOptions = {}): ClientRequest {
  const { hostname, port } = new URL(url);
  const headers = { authorization: `Bearer ${as.token}`, ...(options.headers as object) };
  return request({ hostname, port, path, ...options, headers });
}

export async function untilConnected(url: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const { checks } = (await (await fetch(`${url}/readyz`)).json()) as { checks: Record<string, string> };
    if (checks.redis === "ok" && checks.rabbitmq === "ok") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the gateway did not connect to Redis and RabbitMQ within 10 s");
}

/** An answer's status and its problem's code. */
export async function problemOf(answer: Response): Promise<[status: number, code: unknown]> {
  return [answer.status, ((await answer.json()) as { code?: unknown }).code];
}
