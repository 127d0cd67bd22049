// The connection that services have to Redis, over sentinels, before a real group of servers.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { connectRedis } from "@medvault/runtime";
import { type Logger, places } from "@medvault/service-kit";
import { createTestAuthority, type TestAuthority, testLogger } from "@medvault/testing";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { dataDir } from "../lib/paths.mjs";
import { serverDir, serverFile } from "./files.ts";
import { claimPorts } from "./ports.ts";
import { type RedisGroup, redisGroup } from "./redis-group.ts";

const data = dataDir(fs.mkdtempSync(path.join(os.tmpdir(), "medvault-redis-group-")));
let authority: TestAuthority;
let group: RedisGroup;
let release = () => {};

beforeAll(async () => {
  authority = await createTestAuthority();
  const { cert, key } = await authority.issue({ names: ["127.0.0.1"] });
  const dir = serverDir(path.join(data, "tls"));
  const write = (name: string, text: string) => serverFile(path.join(dir, name), text);
  const claimed = await claimPorts(data, undefined);
  ({ release } = claimed);
  group = await redisGroup({
    ...{ data, port: claimed.ports.base + 20, password: "secret", sentinelPassword: "watched" },
    tls: { cert: write("cert.pem", cert), key: write("key.pem", key), ca: write("ca.pem", authority.ca) },
    downAfterMs: 1_000,
  });
  await group.start();
});
afterAll(async () => {
  await group.stop();
  release();
  fs.rmSync(data, { recursive: true, force: true });
});

/** As a service connects, and what it logs. */
function givenConnection(given: { sentinels?: string; sentinelPassword?: string; ca?: string } = {}) {
  const { sentinels = group.sentinels, sentinelPassword = "watched", ca = authority.ca } = given;
  const logger = testLogger() as ReturnType<typeof testLogger> & Logger; // all that a connection uses
  const tls = { ca, rejectUnauthorized: true };
  const redis = connectRedis(group.url, {
    logger,
    tls,
    sentinels: places.parse(sentinels),
    sentinelPassword,
  });
  onTestFinished(() => redis.disconnect());
  return { redis, logger };
}
const untilReady = (redis: Redis) =>
  vi.waitFor(() => expect(redis.status).toBe("ready"), { timeout: 15_000, interval: 20 });
const said = ({ lines }: ReturnType<typeof testLogger>) =>
  lines.map(({ fields, message }) => (typeof fields === "string" ? fields : message));
const runIdOf = async (redis: Redis) => /run_id:(\w+)/.exec(await redis.info("server"))?.[1];

test("one sentinel that answers is enough; a wrong password, a stranger's certificate, or none, is logged", async () => {
  const [, , last = ""] = group.sentinels.split(",");
  await untilReady(givenConnection({ sentinels: `127.0.0.1:1,127.0.0.1:2,${last}` }).redis);
  const { ca } = await createTestAuthority("strangers");
  for (const wrong of [{ sentinelPassword: "guessed" }, { sentinels: "127.0.0.1:1" }, { ca }]) {
    const { redis, logger } = givenConnection(wrong);
    await vi.waitFor(() => expect(said(logger)).toContain("redis does not answer"));
    expect(redis.status).not.toBe("ready");
  }
});

test("a leader that would go on without its replicas is not used, and the log says why", async () => {
  const { redis: operator } = givenConnection();
  await untilReady(operator);
  await operator.config("SET", "min-replicas-to-write", "0");
  const { redis, logger } = givenConnection();
  await vi.waitFor(() =>
    expect(said(logger)).toContainEqual(expect.stringContaining("min-replicas-to-write")),
  );
  expect(redis.status).not.toBe("ready");
  await operator.config("SET", "min-replicas-to-write", "1");
  await untilReady(redis);
});

test("after a leader's end another one is used, which knows what it was told; alone it takes nothing", async () => {
  const { redis } = givenConnection();
  await untilReady(redis);
  const before = await runIdOf(redis);
  await redis.set("ended:a session", "1");
  expect(await redis.wait(1, 1_000)).toBeGreaterThan(0);
  await group.kill(await group.leader());
  await vi.waitFor(async () => expect(await redis.set("probe", "1")).toBe("OK"), {
    timeout: 15_000,
    interval: 20,
  });
  expect(await runIdOf(redis)).not.toBe(before); // so that nothing in it is believed before it is filled
  expect(await redis.get("ended:a session")).toBe("1");
  const leader = await group.leader();
  const last = [...group.servers.keys()].find((port) => port !== leader) ?? 0;
  await group.kill(last);
  await vi.waitFor(async () => expect(redis.set("probe", "2")).rejects.toThrow("NOREPLICAS"), {
    timeout: 10_000,
    interval: 100,
  });
}, 40_000);
