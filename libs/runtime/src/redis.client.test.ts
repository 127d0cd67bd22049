import { setTimeout as delay } from "node:timers/promises";
import { createProxy, createTestRedis } from "@medvault/testing";
import { afterAll, expect, test, vi } from "vitest";
import { connectRedis } from "./redis.client.ts";

const server = await createTestRedis();
afterAll(() => server.close());

test.each(["stall", "swallow", "cut"] as const)(
  "a Redis that was away (%s) is used again within 2 s, although nobody asked meanwhile",
  async (how) => {
    const proxy = await createProxy(server.url);
    const redis = connectRedis(proxy.url);
    await vi.waitFor(() => expect(redis.status).toBe("ready"), 5_000);
    proxy[how]();
    await delay(4_000);
    const since = performance.now();
    await expect(redis.ping()).rejects.toThrow();
    expect(performance.now() - since).toBeLessThan(1_500);
    proxy.restore();
    await vi.waitFor(async () => expect(await redis.ping()).toBe("PONG"), { timeout: 2_500, interval: 50 });
    redis.disconnect();
    await proxy.close();
  },
  20_000,
);
