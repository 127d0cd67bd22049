import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { JSONWebKeySet } from "jose";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { GUEST } from "../test/harness.ts";
import { type AssertionKey, importAssertionKey, newAssertionKey, signAssertion } from "./assertions.ts";

const FIXTURE = fileURLToPath(new URL("../test/server.ts", import.meta.url));

let jwks: JSONWebKeySet;
let key: AssertionKey;
const children: ChildProcess[] = [];
beforeAll(async () => {
  const made = await newAssertionKey();
  jwks = made.jwks;
  key = await importAssertionKey(made.privateJwk);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function givenProcess() {
  const child = spawn(process.execPath, [FIXTURE, JSON.stringify(jwks)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
  const listening = await vi.waitFor(
    () => {
      const line = lines.find((entry) => entry.msg === "listening");
      if (!line) throw new Error("not listening yet");
      return line;
    },
    { timeout: 50_000 },
  );
  const assertion = await signAssertion(key, GUEST, "fixture");
  return { child, lines, port: Number(listening.port), adminPort: Number(listening.adminPort), assertion };
}

function post(port: number, assertion: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = request(
      {
        port,
        host: "127.0.0.1",
        method: "POST",
        path: "/v1/things",
        agent,
        headers: { "x-medvault-assertion": assertion },
      },
      (res) => {
        res.resume();
        res.once("end", () => resolve(res.statusCode ?? 0));
        res.once("error", reject);
      },
    );
    req.once("error", reject);
    req.end();
  });
}

test("POSTs under load over a SIGTERM: every one that got a connection is answered, and counted once", async () => {
  const { child, lines, port, assertion } = await givenProcess();
  const exited = once(child, "exit");
  const agent = new Agent({ keepAlive: true });
  const outcomes = { done: 0, refused: 0, failed: [] as string[] };
  let stop = false;
  const worker = async () => {
    while (!stop) {
      try {
        if ((await post(port, assertion, agent)) === 201) outcomes.done += 1;
      } catch (error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        if (code === "ECONNREFUSED") {
          outcomes.refused += 1;
          return; // a balancer would have gone elsewhere: nothing was accepted
        }
        outcomes.failed.push(code);
      }
      if (draining) await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 60));
    }
  };
  let draining = false;
  const workers = Array.from({ length: 8 }, worker);
  await vi.waitFor(() => expect(outcomes.done).toBeGreaterThan(100), 15_000);
  draining = true;
  child.kill("SIGTERM");
  // Clients that see `Connection: close` and an unready process go elsewhere within a moment.
  await vi.waitFor(() => expect(lines.some((line) => line.msg === "draining")).toBe(true));
  stop = true;
  await Promise.all(workers);
  const [code] = await exited;
  agent.destroy();
  expect(outcomes.failed).toEqual([]);
  expect(code).toBe(0);
  expect(lines.find((line) => "stored" in line)).toEqual({ stored: outcomes.done });
  expect(lines.at(-1)).toMatchObject({ msg: "stopped" });
  expect(lines).toContainEqual(expect.objectContaining({ msg: "a part did not stop cleanly" }));
}, 30_000);

test("while draining, answers say Connection: close, readiness is 503, streams end, and the exit is clean", async () => {
  const { child, port, adminPort, assertion } = await givenProcess();
  const exited = once(child, "exit");
  const headers = { "x-medvault-assertion": assertion };
  const stream = await fetch(`http://127.0.0.1:${port}/v1/stream`, { headers });
  child.kill("SIGTERM");
  const answer = await vi.waitFor(async () => {
    const found = await fetch(`http://127.0.0.1:${port}/v1/things`, { method: "POST", headers });
    expect(found.headers.get("connection")).toBe("close");
    return found;
  });
  expect(answer.status).toBe(201);
  expect((await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status).toBe(503);
  expect(await stream.text()).toBe("data: hello\n\ndata: bye\n\n");
  expect((await exited)[0]).toBe(0);
}, 30_000);

test("what the parser refuses is a problem with a request id too: malformed, and headers over 16 KiB", async () => {
  const { port } = await givenProcess();
  const cases = {
    "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n": 400,
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(17_000)}\r\n\r\n`]: 431,
  };
  for (const [bytes, status] of Object.entries(cases)) {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    socket.end(bytes);
    const answer = await text(socket);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/\r\nX-Request-Id: [0-9a-f-]{36}\r\n/);
    expect(JSON.parse(answer.split("\r\n\r\n")[1] ?? "")).toMatchObject({ status });
  }
}, 30_000);
