import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { testServer } from "./environment.ts";

export interface TestRedis {
  /** With the number of a database that is this test file's alone. */
  url: string;
  client: Redis;
  flush(): Promise<void>;
  /** Empties it and lets another test file have it. */
  close(): Promise<void>;
}

const DATABASES = 15; // 1 to 15 of Redis' 16; 0 keeps the claims
const CLAIM_SECONDS = 120;
const WAIT_MS = 60_000;

/** An empty Redis database; waits while all fifteen are taken. Throws TestServersMissing. */
export async function createTestRedis(): Promise<TestRedis> {
  const server = testServer("MEDVAULT_TEST_REDIS_URL");
  const claims = new Redis(server.href, { db: 0 });
  const token = randomUUID();
  const number = await claim(claims, token);
  const renewal = setInterval(() => {
    claims.expire(claimKey(number), CLAIM_SECONDS).catch(() => {});
  }, CLAIM_SECONDS * 250);
  renewal.unref();
  const url = new URL(server);
  url.pathname = `/${number}`;
  const client = new Redis(url.href);
  await client.flushdb();
  return {
    url: url.href,
    client,
    async flush() {
      await client.flushdb();
    },
    async close() {
      clearInterval(renewal);
      await client.flushdb();
      if ((await claims.get(claimKey(number))) === token) await claims.del(claimKey(number));
      client.disconnect();
      claims.disconnect();
    },
  };
}

function claimKey(number: number): string {
  return `medvault:test:database:${number}`;
}

async function claim(claims: Redis, token: string): Promise<number> {
  const until = performance.now() + WAIT_MS;
  while (performance.now() < until) {
    for (let number = 1; number <= DATABASES; number++) {
      if ((await claims.set(claimKey(number), token, "EX", CLAIM_SECONDS, "NX")) === "OK") return number;
    }
    await delay(50);
  }
  throw new Error(
    "no Redis database was free for 60 s: too many test processes, or claims left by killed ones",
  );
}
