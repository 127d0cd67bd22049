import { newId } from "@medvault/contracts";
import { connectRedis } from "@medvault/runtime";
import { createTestRedis } from "@medvault/testing";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finallyDo, givenGateway } from "../../test/harness.ts";
import type { Limit } from "../limits/limit.ts";
import { type AdmissionStore, createAdmissionStore } from "./admission.store.ts";

let redis: Awaited<ReturnType<typeof createTestRedis>>;
beforeAll(async () => {
  redis = await createTestRedis();
});
afterAll(() => redis.close());

/** As many gateways' stores on one Redis, and how many commands they sent. */
async function givenStores(count: number) {
  const sent = { commands: 0 };
  const stores: AdmissionStore[] = [];
  const connections: Redis[] = [];
  for (let i = 0; i < count; i++) {
    const connection = connectRedis(redis.url);
    if (connection.status !== "ready") await new Promise((resolve) => connection.once("ready", resolve));
    const send = connection.sendCommand.bind(connection);
    connection.sendCommand = (command, stream) => {
      if (command.name.startsWith("eval")) sent.commands += 1;
      return send(command, stream);
    };
    connections.push(connection);
    const store = createAdmissionStore(connection);
    stores.push(store);
    finallyDo(() => {
      store.close();
      connection.disconnect();
    });
  }
  return { stores, connections, sent };
}

function limitOf(points: number): Limit {
  return { name: "general", key: `rate:general:${newId()}`, points, cost: 1, windowMs: 60_000 };
}
const admitted = async (store: AdmissionStore, limit: Limit): Promise<number> => {
  const { refused } = await store.query({ ofAddress: [limit], claims: null, ofUser: [] });
  return refused ? 0 : 1;
};
const counted = async ({ key }: Limit) => Number(await redis.client.get(key));

test("of a burst a few requests ask Redis, and the limit's header counts each of them", async () => {
  const { stores, sent } = await givenStores(1);
  const [store] = stores as [AdmissionStore];
  const limit = limitOf(4_000);
  const used: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    const { counted: states } = await store.query({ ofAddress: [limit], claims: null, ofUser: [] });
    used.push(states[0]?.used ?? 0);
  }
  expect(used).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
  expect(sent.commands).toBeLessThan(500);
  await expect.poll(() => counted(limit), { timeout: 5_000 }).toBe(1_000); // the rest was given back
});

test("points that were leased from a Redis that went away are not given back to the one that comes", async () => {
  const { stores, connections } = await givenStores(1);
  const [store] = stores as [AdmissionStore];
  const [connection] = connections as [Redis];
  const limit = limitOf(4_000);
  for (let i = 0; i < 40; i++) await admitted(store, limit);
  const leased = await counted(limit);
  expect(leased).toBeGreaterThan(40);
  connection.disconnect(true);
  await new Promise((resolve) => connection.once("ready", resolve));
  await expect.poll(() => connection.exists(`${limit.key}:leased`), { timeout: 5_000 }).toBe(0);
  expect(await counted(limit)).toBe(leased);
});

test("three gateways that lease admit together exactly what a limit allows, however they burst", async () => {
  const { stores } = await givenStores(3);
  const limit = limitOf(640);
  let sum = 0;
  for (let round = 0; round < 20; round++) {
    const burst = stores.flatMap((store, i) => Array.from({ length: i === round % 3 ? 40 : 1 }, () => store));
    const found = await Promise.all(burst.map((store) => admitted(store, limit)));
    sum += found.reduce((total, one) => total + one, 0);
  }
  expect(sum).toBe(640);
  expect(await counted(limit)).toBe(640);
});

test("a request that meets the limit while another gateway holds points waits until they are back", async () => {
  const { stores } = await givenStores(2);
  const [holder, other] = stores as [AdmissionStore, AdmissionStore];
  const limit = limitOf(2_000);
  let sum = 0;
  for (let i = 0; i < 5; i++) sum += await admitted(holder, limit); // it holds some now
  const rest = Array.from({ length: 2_010 - sum }, () => admitted(other, limit));
  sum += (await Promise.all(rest)).reduce((total, one) => total + one, 0);
  expect(sum).toBe(2_000);
});

test("small limits are never leased, and points of a window that is over are given to no other", async () => {
  const { stores, sent } = await givenStores(1);
  const [store] = stores as [AdmissionStore];
  const small = limitOf(100);
  for (let i = 0; i < 50; i++) await admitted(store, small);
  expect(sent.commands).toBe(50);
  const limit = limitOf(4_000);
  for (let i = 0; i < 5; i++) await admitted(store, limit);
  expect(await counted(limit)).toBeGreaterThan(5);
  await redis.client.set(limit.key, "3", "PX", 30_000); // the next window: it ends at another time
  const before = sent.commands;
  await expect.poll(() => sent.commands, { timeout: 5_000 }).toBeGreaterThan(before); // it gives back
  expect(await counted(limit)).toBe(3);
});

test("in a burst a session that has ended elsewhere is refused within a second, and one that ends through this gateway at once", async () => {
  const edge = await givenGateway();
  const PATH = "/v1/claims";
  const end = async (sid: string) => {
    await edge.redis.client.set(`ended:${sid}`, "1");
    await edge.redis.client.del(`session:${sid}`);
    edge.auth.sessions.delete(sid);
  };
  const elsewhere = await edge.signIn("doctor");
  for (let i = 0; i < 20; i++) expect((await edge.call(PATH, { as: elsewhere })).status).toBe(200);
  await end(elsewhere.sid);
  const since = performance.now();
  let lastAdmittedMs = 0;
  for (;;) {
    const sentMs = performance.now() - since;
    if ((await edge.call(PATH, { as: elsewhere })).status === 401) break;
    lastAdmittedMs = sentMs;
  }
  expect(lastAdmittedMs).toBeLessThan(1_000);

  const here = await edge.signIn("doctor");
  const { handler } = edge.services.auth;
  edge.services.auth.handler = (req, res, body) => {
    if (req.url !== "/v1/auth/logout") return handler?.(req, res, body);
    return void end(here.sid).then(() => res.writeHead(204).end());
  };
  for (let i = 0; i < 20; i++) expect((await edge.call(PATH, { as: here })).status).toBe(200);
  expect((await edge.call("/v1/auth/logout", { method: "POST", as: here })).status).toBe(204);
  expect((await edge.call(PATH, { as: here })).status).toBe(401);
});

test("in a burst a changed permission holds within a second, and another client's use of the session is judged at once", async () => {
  const edge = await givenGateway();
  const person = await edge.signIn("doctor", { session: { bindAgent: "enforce", uaHash: UA_HASH } });
  const call = (agent: string) => edge.call("/v1/claims", { as: person, headers: { "user-agent": agent } });
  for (let i = 0; i < 20; i++) expect((await call("ours")).status).toBe(200);
  await edge.redis.client.mset("pv:doctor", "2", "scope:doctor", "account:read:own");
  await expect
    .poll(
      async () => {
        await call("ours");
        return edge.services.records.seen.at(-1)?.claims?.scope;
      },
      { interval: 10, timeout: 5_000 },
    )
    .toBe("account:read:own");
  for (let i = 0; i < 20; i++) await call("ours");
  expect((await call("a thief's")).status).toBe(401);
});

/** SHA-256 of "ours". */
const UA_HASH = "ae0bec9e9d33c56354bd612c8a6010840324fc5b9786ce0a18b696b304b09397";
