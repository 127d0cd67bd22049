import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test, vi } from "vitest";
import { createTestBroker, testLogger } from "../../testing/src/index.ts";
import { proxyTo } from "../test/harness.ts";
import { connectBroker } from "./broker.ts";

const testBroker = await createTestBroker();
afterAll(() => testBroker.close());

test("it connects to the vhost of the URL, and its state says so", async () => {
  const broker = connectBroker({ url: testBroker.url("records"), logger: testLogger() });
  let connections = 0;
  broker.onConnected(() => connections++);
  await vi.waitFor(() => expect(broker.state()).toBe("connected"), 5_000);
  const channel = await broker.createChannel();
  expect(await channel.checkQueue("medvault.audit")).toMatchObject({ queue: "medvault.audit" });
  expect(connections).toBe(1);
  await broker.close();
  expect(broker.state()).toBe("closed");
});

test("cut away it comes back by itself, with a channel refused at once meanwhile", async () => {
  const proxy = await proxyTo(testBroker.url("records"));
  const logger = testLogger();
  const broker = connectBroker({ url: proxy.url, logger });
  let connections = 0;
  broker.onConnected(() => connections++);
  await vi.waitFor(() => expect(broker.state()).toBe("connected"), 5_000);
  proxy.cut();
  await vi.waitFor(() => expect(broker.state()).toBe("connecting"), 5_000);
  await expect(broker.createChannel()).rejects.toMatchObject({ kind: "unavailable" });
  proxy.restore();
  await vi.waitFor(() => expect(connections).toBe(2), 10_000);
  expect(JSON.stringify(logger.lines)).not.toContain(new URL(proxy.url).password);
  await broker.close();
});

test("what is lost on one of several nodes goes on at the next that answers, and so on in turn", async () => {
  const one = await proxyTo(testBroker.url("records"));
  const two = await proxyTo(testBroker.url("records"));
  const nodes = [9, Number(new URL(two.url).port)].map((port) => ({ host: "127.0.0.1", port }));
  const broker = connectBroker({ url: one.url, nodes, logger: testLogger() });
  let connections = 0;
  broker.onConnected(() => connections++);
  await vi.waitFor(() => expect(connections).toBe(1), 5_000);
  one.cut();
  await vi.waitFor(() => expect(connections).toBe(2), 10_000);
  expect(await (await broker.createChannel()).checkQueue("medvault.audit")).toBeDefined();
  one.restore();
  two.cut();
  await vi.waitFor(() => expect(connections).toBe(3), 10_000);
  expect(broker.state()).toBe("connected");
  await broker.close();
});

test("a broker that was never there keeps it trying, and close ends that", async () => {
  const logger = testLogger();
  const broker = connectBroker({ url: "amqp://nobody:nothing@127.0.0.1:9/", logger });
  await vi.waitFor(() => expect(logger.lines).toHaveLength(1), 5_000);
  expect(logger.lines[0]).toMatchObject({ level: "warn", fields: { code: "ECONNREFUSED" } });
  await broker.close();
});

test("a peer that accepts and says nothing is given up", async () => {
  const proxy = await proxyTo(testBroker.url("records"));
  proxy.stall();
  const logger = testLogger();
  const broker = connectBroker({ url: proxy.url, logger });
  await vi.waitFor(() => expect(logger.lines).toHaveLength(1), 8_000);
  proxy.restore();
  await vi.waitFor(() => expect(broker.state()).toBe("connected"), 8_000);
  await broker.close();
}, 20_000);

test.each(["stall", "swallow"] as const)(
  "a broker that hangs (%s) is noticed within 5 s, although nothing is sent, and is back within 5 s",
  async (how) => {
    const proxy = await proxyTo(testBroker.url("records"));
    const broker = connectBroker({ url: proxy.url, logger: testLogger() });
    await vi.waitFor(() => expect(broker.state()).toBe("connected"), 5_000);
    const channel = await broker.createChannel();
    const ended = new Promise((resolve) => channel.once("close", resolve));
    await delay(2_000); // it has been asked once
    proxy[how]();
    await vi.waitFor(() => expect(broker.state()).toBe("connecting"), 5_000);
    await ended;
    await delay(2_000);
    proxy.restore();
    await vi.waitFor(() => expect(broker.state()).toBe("connected"), 5_000);
    expect(await (await broker.createChannel()).checkQueue("medvault.audit")).toBeDefined();
    await broker.close();
  },
  30_000,
);
