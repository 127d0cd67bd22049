import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test, vi } from "vitest";
import { spawnGateway } from "../../test/gateway-process.ts";
import { finallyDo, givenHarness } from "../../test/harness.ts";

const MIB = 1024 * 1024;
const IDLE_TIMEOUT_MS = 5_000;
/** What the service has sent to readers so far, in bytes. */
let pushed = 0;
/** Answers that the service is still sending. */
let reading = 0;
const harness = await givenHarness();
const doctor = await harness.signIn("doctor");
const gateway = await spawnGateway({
  ...harness.env,
  REDIS_URL: harness.redis.url, // not by way of this process, which is busy here
  MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS: String(IDLE_TIMEOUT_MS),
  MEDVAULT_MAX_UPLOAD_BYTES: String(MIB),
});
finallyDo(() => gateway.stop());
harness.services.files.raw = (req, res) => {
  req.on("error", () => undefined);
  if (req.method === "POST") return void req.resume().once("end", () => res.end("{}"));
  const chunk = Buffer.alloc(64 * 1024);
  const push = () => {
    do pushed += chunk.length;
    while (res.write(chunk));
    res.once("drain", push);
  };
  reading += 1;
  res.once("close", () => {
    reading -= 1;
  });
  res.writeHead(200);
  push();
};

interface Slow {
  socket: Socket;
  /** When the gateway ended it, in ms after it began; and what it said. */
  ended: Promise<{ afterMs: number; said: string }>;
}

async function slow(begin: string, options: { reads?: boolean; drip?: string } = {}): Promise<Slow> {
  const socket = connect({ port: gateway.port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const since = performance.now();
  let said = "";
  const drip = setInterval(() => {
    if (options.drip) socket.write(options.drip);
  }, 500);
  const ended = new Promise<{ afterMs: number; said: string }>((resolve) => {
    socket.once("close", () => {
      clearInterval(drip);
      resolve({ afterMs: performance.now() - since, said });
    });
  });
  if (options.reads === false) socket.pause();
  else socket.on("data", (chunk) => (said += said.length < 1_000 ? String(chunk) : ""));
  socket.write(begin);
  return { socket, ended };
}

const head = (method: string, path: string, ...more: string[]) =>
  [
    `${method} ${path} HTTP/1.1`,
    "Host: x",
    "Content-Type: application/json",
    `Authorization: Bearer ${doctor.token}`,
    ...more,
  ].join("\r\n");

async function untilStill(count: () => number): Promise<void> {
  let last = -1;
  await vi.waitFor(
    () => {
      const before = last;
      last = count();
      expect(last).toBe(before);
    },
    { timeout: 20_000, interval: 90 },
  );
}

/** 200 requests of eight clients who are not slow. (The bench measures how long they take.) */
async function othersAreServed(): Promise<void> {
  const others = Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 25; i++) {
      const answer = await fetch(`${gateway.url}/v1/claims`, {
        headers: { authorization: `Bearer ${doctor.token}` },
      });
      expect([answer.status, await answer.text()]).toEqual([200, '{"service":"records"}']);
    }
  });
  await Promise.all(others);
}

test("others are served beside 200 slow clients, who are cut off: headers after 10 s, idle bodies and readers", async () => {
  const many = (count: number, one: () => Promise<Slow>) => Promise.all(Array.from({ length: count }, one));
  const headers = await many(60, () => slow(head("GET", "/v1/claims"), { drip: "\r\nX-Slow: 1" }));
  const silent = await many(20, () => slow(""));
  const json = await many(40, () =>
    slow(`${head("POST", "/v1/claims", "Content-Length: 100")}\r\n\r\n{"a":`),
  );
  const upload = await many(40, () =>
    slow(`${head("POST", "/v1/files", "Content-Length: 1000")}\r\n\r\nabc`),
  );
  const readers = await many(40, () =>
    slow(`${head("GET", "/v1/files/1/content")}\r\n\r\n`, { reads: false }),
  );
  await untilStill(() => pushed); // all between us and them is full
  await othersAreServed();

  for (const { afterMs, said } of await Promise.all([...json, ...upload].map(({ ended }) => ended))) {
    expect(said).toMatch(/^HTTP\/1.1 408 /);
    expect(said).toContain('"code":"request_timeout"');
    expect(afterMs).toBeGreaterThan(IDLE_TIMEOUT_MS - 100);
  }
  await vi.waitFor(() => expect(reading).toBe(0), { timeout: 3 * IDLE_TIMEOUT_MS, interval: 90 });
  for (const { socket } of readers) socket.destroy();
  for (const { afterMs, said } of await Promise.all([...headers, ...silent].map(({ ended }) => ended))) {
    if (said) expect(said).toMatch(/^HTTP\/1.1 408 /);
    expect(afterMs).toBeGreaterThan(9_000);
    expect(afterMs).toBeLessThan(16_000);
  }
}, 60_000);

test("a body that comes slowly, but comes, is taken", async () => {
  const parts = ["{", '"a"', ":", "1", "}"];
  const { socket, ended } = await slow(
    `${head("POST", "/v1/claims", "Content-Length: 7", "Connection: close")}\r\n\r\n`,
  );
  const drip = setInterval(() => {
    const part = parts.shift();
    if (part) socket.write(part);
    else clearInterval(drip);
  }, IDLE_TIMEOUT_MS / 3);
  expect((await ended).said).toMatch(/^HTTP\/1.1 200 /);
  expect((await ended).afterMs).toBeGreaterThan(IDLE_TIMEOUT_MS);
}, 20_000);
