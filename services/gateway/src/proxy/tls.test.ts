import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
  connectorOf,
  createApp,
  createListener,
  createLogger,
  openTls,
  streamRoute,
} from "@medvault/service-kit";
import { certificateFiles, createProxy, createTestAuthority } from "@medvault/testing";
import { Pool } from "undici";
import { expect, onTestFinished, test, vi } from "vitest";
import { finallyDo, givenHarness, openGateway } from "../../test/harness.ts";
import { SERVICES } from "../routing/route-table.ts";

const logger = createLogger({ service: "gateway", level: "silent" });

const [harness, ours] = await Promise.all([givenHarness(), createTestAuthority()]);
/** The certificates of the services and the gateway, and how the gateway finds them. */
const mutual = { ...(await ours.issue()), ca: ours.ca, requestCert: true, rejectUnauthorized: true };
/** Auth, Redis and RabbitMQ, each behind real TLS that wants the gateway's certificate. */
const fronts = {
  auth: await createProxy(harness.services.auth.url, mutual),
  redis: await createProxy(harness.env.REDIS_URL ?? "", mutual),
  broker: await createProxy(harness.env.AMQP_URL ?? "", mutual),
};
for (const front of Object.values(fronts)) finallyDo(() => front.close());

/** The records service as in production, except for its routes. */
async function givenRecords(certificate: { cert: string; key: string }) {
  const files = certificateFiles();
  files.write({ ...certificate, clientCa: ours.ca });
  const tls = await openTls(files.settings, logger);
  const seen: string[] = [];
  const verifier = harness.services.records.verifier;
  if (!verifier) throw new Error("the harness has no verifier");
  const app = createApp({
    logger,
    assertions: verifier,
    readiness: async () => ({}),
    routes: [
      streamRoute({ method: "GET", path: "/v1/patients", summary: "List" }, async ({ req, res }) => {
        seen.push(req.get("x-medvault-assertion") ?? "");
        res.json({ data: [], next: null });
      }),
    ],
  });
  const listener = createListener({ tls, logger }, app);
  await once(listener.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    tls.close();
    files.remove();
    listener.closeAllConnections();
    listener.close();
  });
  return { seen, port: (listener.address() as AddressInfo).port };
}

/** A gateway as production has it: every setting is TLS, or it does not start. */
async function givenGateway(recordsUrl: string, issuer = ours) {
  const files = certificateFiles();
  files.write({ ...(await issuer.issue()), ca: ours.ca });
  const others = Object.fromEntries(
    SERVICES.map((name) => [`MEDVAULT_${name.toUpperCase()}_URL`, "https://127.0.0.1:1"]),
  );
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const env = {
    ...harness.env,
    ...others,
    ...files.settings,
    NODE_ENV: "production",
    MEDVAULT_AUTH_URL: fronts.auth.url,
    MEDVAULT_RECORDS_URL: recordsUrl,
    REDIS_URL: fronts.redis.url,
    AMQP_URL: fronts.broker.url,
  };
  const gateway = await openGateway(env, createLogger({ service: "gateway", level: "info", destination }));
  const listener = createListener({ tls: gateway.tls, logger }, gateway.app);
  await once(listener.listen(0, "127.0.0.1"), "listening");
  const trusted = certificateFiles();
  trusted.write({ ca: issuer.ca });
  const client = await openTls(trusted.settings, logger);
  const pool = new Pool(`https://127.0.0.1:${(listener.address() as AddressInfo).port}`, {
    connect: connectorOf(client, 2_000),
  });
  onTestFinished(async () => {
    await pool.destroy();
    client.close();
    listener.closeAllConnections();
    listener.close();
    await gateway.stop();
    files.remove();
    trusted.remove();
  });
  const call = async (path: string, token?: string) => {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await pool.request({ method: "GET", path, headers });
    return {
      status: answer.statusCode,
      body: (await answer.body.json()) as { checks: Record<string, string>; code?: string },
    };
  };
  const checks = async () => (await call("/readyz")).body.checks;
  return { call, checks, log: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test("in production: a client over TLS, Redis, RabbitMQ, auth's keys and records all over TLS with certificates of both sides", async () => {
  const records = await givenRecords(await ours.issue());
  const { call, checks } = await givenGateway(`https://127.0.0.1:${records.port}`);
  await vi.waitFor(
    async () =>
      expect(await checks()).toMatchObject({ redis: "ok", rabbitmq: "ok", auth: "ok", records: "ok" }),
    { timeout: 10_000 },
  );
  const doctor = await harness.signIn("doctor");
  const fetched = harness.auth.jwksRequests;
  expect(await call("/v1/patients", doctor.token)).toMatchObject({ status: 200, body: { data: [] } });
  expect(harness.auth.jwksRequests).toBe(fetched + 1);
  expect(records.seen).toHaveLength(1);
  for (const front of Object.values(fronts)) expect(front.entered()).toBeGreaterThan(0);
});

test("records with another's certificate, or under another name, is away: no request reaches it, the log says why, and the rest works", async () => {
  const strangers = await createTestAuthority();
  const doctor = await harness.signIn("doctor");
  for (const [certificate, code] of [
    [await strangers.issue(), "CERT_SIGNATURE_FAILURE"],
    [await ours.issue({ names: ["records.example"] }), "ERR_TLS_CERT_ALTNAME_INVALID"],
  ] as const) {
    const records = await givenRecords(certificate);
    const { call, checks, log } = await givenGateway(`https://127.0.0.1:${records.port}`);
    await vi.waitFor(
      async () => expect(await checks()).toMatchObject({ redis: "ok", auth: "ok", records: "down" }),
      { timeout: 10_000 },
    );
    const { status, body } = await call("/v1/patients", doctor.token);
    expect([status, body.code]).toEqual([502, "bad_gateway"]);
    expect(records.seen).toEqual([]);
    const told = log().filter(({ upstream }) => upstream === "records");
    expect(told).toMatchObject([{ level: "warn", msg: "a service does not answer", code }]);
  }
});

test("a gateway whose own certificate the others do not know reaches no service, and admits no one", async () => {
  const records = await givenRecords(await ours.issue());
  const doctor = await harness.signIn("doctor");
  const before = Object.values(fronts).map((front) => front.entered());
  const { call, checks } = await givenGateway(
    `https://127.0.0.1:${records.port}`,
    await createTestAuthority("strangers"),
  );
  expect(await checks()).toMatchObject({ redis: "down", rabbitmq: "down", auth: "down", records: "down" });
  expect((await call("/v1/patients", doctor.token)).status).toBe(503);
  expect(Object.values(fronts).map((front) => front.entered())).toEqual(before);
  expect(records.seen).toEqual([]);
});
