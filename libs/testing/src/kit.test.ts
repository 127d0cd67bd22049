import { createApp, createLogger, streamRoute } from "@medvault/service-kit";
import { connect } from "amqplib";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { z } from "zod";
import {
  actor,
  createProxy,
  createTestBroker,
  createTestDatabase,
  createTestRedis,
  signedIn,
  testAssertions,
  testKeyring,
} from "./index.ts";

test("a missing server is an error that names the command to start it", async () => {
  const kept = process.env.MEDVAULT_TEST_DATABASE_URL;
  delete process.env.MEDVAULT_TEST_DATABASE_URL;
  try {
    await expect(createTestDatabase(["records"])).rejects.toThrow(
      "MEDVAULT_TEST_DATABASE_URL is not set. Tests use real servers: run `npm test`",
    );
  } finally {
    process.env.MEDVAULT_TEST_DATABASE_URL = kept;
  }
});

test("a test broker has production's users and the audit queue", async () => {
  const broker = await createTestBroker();
  try {
    const connection = await connect(broker.url("records"));
    const channel = await connection.createChannel();
    expect(await channel.checkQueue("medvault.audit")).toMatchObject({ messageCount: 0 });
    await connection.close();
  } finally {
    await broker.close();
  }
  await expect(connect(broker.url("records"))).rejects.toThrow();
});

test("two Redis databases at once do not see each other", async () => {
  const [one, two] = await Promise.all([createTestRedis(), createTestRedis()]);
  await one.client.set("key", "one");
  expect(await two.client.get("key")).toBeNull();
  await Promise.all([one.close(), two.close()]);
});

test("a proxy takes a server away and gives it back", async () => {
  const redis = await createTestRedis();
  const proxy = await createProxy(redis.url);
  const client = new Redis(proxy.url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
  client.on("error", () => {});
  await client.set("key", "before");
  proxy.cut();
  const answer = client.get("key");
  proxy.restore();
  expect(await answer).toBe("before");
  client.disconnect();
  await proxy.close();
  await redis.close();
});

test("a signed-in actor reaches an app with the gateway's assertion, a guest does not", async () => {
  const assertions = (await testAssertions()).verifier("records");
  const app = createApp({
    logger: createLogger({ service: "records", level: "silent" }),
    assertions,
    readiness: async () => ({}),
    routes: [
      streamRoute(
        {
          ...{ method: "POST", path: "/v1/echo", summary: "Echo", permission: "patient:read" },
          request: z.object({ a: z.int().optional() }),
        },
        async ({ actor: { id, purpose }, req, res }) => void res.json({ id, purpose, body: req.body }),
      ),
    ],
  });
  const doctor = actor("doctor", { purpose: "ETREAT" });
  const answer = await signedIn(app, doctor).post("/v1/echo", { a: 1 });
  expect(answer).toMatchObject({ status: 200, body: { id: doctor.id, purpose: "ETREAT", body: { a: 1 } } });
  expect(await signedIn(app, actor("guest")).post("/v1/echo", {})).toMatchObject({ status: 401 });
});

test("an assertion for another service is refused", async () => {
  const { verifier, sign } = await testAssertions();
  await expect(verifier("records").verify(await sign(actor("admin"), ["files"]))).rejects.toMatchObject({
    code: "unauthenticated",
  });
});

test("a test keyring wraps and unwraps, and leaves no file", async () => {
  const keyring = await testKeyring("records");
  const key = Buffer.alloc(32, 7);
  expect(keyring.unwrap(keyring.wrap(key, ["test"]), ["test"])).toEqual(key);
});

test("an app is served once for all its clients", async () => {
  const ports = new Set<number | undefined>();
  const app = (req: { socket: { localPort?: number } }, res: { end(): void }): void => {
    ports.add(req.socket.localPort);
    res.end();
  };
  await signedIn(app as never, actor("doctor")).get("/");
  await signedIn(app as never, actor("patient")).get("/");
  expect(ports.size).toBe(1);
});
