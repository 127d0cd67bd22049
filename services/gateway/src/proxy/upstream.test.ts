import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { expect, test, vi } from "vitest";
import { finallyDo } from "../../test/harness.ts";
import { Departure } from "./exchange.client.ts";
import { codeOf, upstreamError } from "./proxy.errors.ts";
import { type BreakerState, Upstream, type UpstreamRequest } from "./upstream.client.ts";

async function listen(handler: RequestListener, port = 0): Promise<{ port: number; server: Server }> {
  const server = createServer(handler).listen(port, "127.0.0.1");
  await once(server, "listening");
  finallyDo(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server };
}

function upstreamAt(port: number): Upstream {
  const upstream = new Upstream("records", `http://127.0.0.1:${port}`);
  finallyDo(() => upstream.close());
  return upstream;
}

const call = (over: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  method: "GET",
  path: "/",
  headers: {},
  body: null,
  client: new Departure(),
  answerMs: 5_000,
  bodyTimeoutMs: 5_000,
  ...over,
});

/** The status, or the code of what was thrown; the body is not read. */
async function outcome(upstream: Upstream, request = call()): Promise<number | string> {
  try {
    const answer = await upstream.request(request);
    answer.discard();
    return answer.statusCode;
  } catch (thrown) {
    return codeOf(thrown);
  }
}

test("reads that find a broken connection are repeated within a budget; when it is used up they are not", async () => {
  let connections = 0;
  const { port } = await listen((req, res) => {
    connections += 1;
    if (connections % 2 === 1) req.socket.destroy();
    else res.end("{}");
  });
  const upstream = upstreamAt(port);
  let repetitions = 0;
  upstream.onRetry(() => {
    repetitions += 1;
  });
  const outcomes: (number | string)[] = [];
  for (let i = 0; i < 11; i++) outcomes.push(await outcome(upstream));
  expect(outcomes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 200));
  expect(repetitions).toBe(11); // ten saved, and one earned by eleven calls
  const before = connections;
  expect(await outcome(upstream)).toBe("UND_ERR_SOCKET");
  expect([connections, repetitions]).toEqual([before + 1, 11]);
});

test("a call that found no connection is sent again whatever it is, with its whole body, since no byte of it left", async () => {
  const bodies: string[] = [];
  const handler: RequestListener = async (req, res) => {
    let body = "";
    for await (const chunk of req) body += String(chunk);
    bodies.push(body);
    res.end("{}");
  };
  const { port, server } = await listen(handler);
  server.close();
  await once(server, "close");
  const upstream = upstreamAt(port);
  upstream.onRetry(() => void listen(handler, port)); // it comes back just in time
  const body = Readable.from([Buffer.from('{"a":'), Buffer.from("1}")]);
  expect(await outcome(upstream, call({ method: "POST", body }))).toBe(200);
  expect(bodies).toEqual(['{"a":1}']);
});

test("a write whose connection broke is never repeated: it may have arrived", async () => {
  let arrived = 0;
  const { port } = await listen((req) => {
    arrived += 1;
    req.socket.destroy();
  });
  const upstream = upstreamAt(port);
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    arrived = 0;
    expect(await outcome(upstream, call({ method })), method).toBe("UND_ERR_SOCKET");
    expect(arrived, method).toBe(1);
  }
});

const readyz = (checks: Record<string, string> = {}) => JSON.stringify({ status: "ok", checks });

test("the breaker opens on connection errors and 502 to 504, and closes by itself once the service says that it works", async () => {
  let status = 503;
  let arrived = 0;
  let postgres = "down";
  const { port } = await listen((req, res) => {
    if (req.url === "/readyz") return void res.end(readyz({ postgres }));
    arrived += 1;
    res.writeHead(status).end("{}");
  });
  const upstream = upstreamAt(port);
  const states: BreakerState[] = [];
  upstream.onState((state) => states.push(state));
  for (let i = 0; i < 9; i++) expect(await outcome(upstream)).toBe(503);
  expect(upstream.state).toBe("closed"); // too few to judge by
  await outcome(upstream);
  expect(upstream.state).toBe("open");
  await vi.waitFor(() => expect(states).toEqual(["open", "half_open", "open"]), { timeout: 5_000 });
  expect(await outcome(upstream)).toBe("unavailable");
  expect(arrived).toBe(10); // no caller had to try
  [status, postgres] = [200, "ok"];
  await vi.waitFor(() => expect(upstream.state).toBe("closed"), { timeout: 5_000 });
  expect(await outcome(upstream)).toBe(200);
});

test("a service that falls silent after much that went well is refused at once after three calls", async () => {
  let hangs = false;
  const { port } = await listen((_req, res) => {
    if (!hangs) res.end(readyz());
  });
  const upstream = upstreamAt(port);
  for (let i = 0; i < 200; i++) expect(await outcome(upstream)).toBe(200);
  hangs = true;
  for (let i = 0; i < 3; i++) await outcome(upstream, call({ answerMs: 100 }));
  const since = performance.now();
  for (let i = 0; i < 100; i++) expect(await outcome(upstream)).toBe("unavailable");
  await expect(upstream.getJson("/x", {}, 1_000)).rejects.toMatchObject({ code: "unavailable" });
  expect(performance.now() - since).toBeLessThan(1_000);
  hangs = false;
  await vi.waitFor(() => expect(upstream.state).toBe("closed"), { timeout: 6_000 });
});

test("a service whose connections are all at work says that its database is down, and is not cut off for that", async () => {
  const { port } = await listen((_req, res) => void res.end(readyz({ postgres: "down" })));
  const upstream = upstreamAt(port);
  for (let i = 0; i < 6; i++) expect((await upstream.probe())?.checks).toEqual({ postgres: "down" });
  expect(upstream.state).toBe("closed");
});

test("one slow route among others that answer does not open the breaker", async () => {
  const { port } = await listen((req, res) => void (req.url === "/slow" || res.end("{}")));
  const upstream = upstreamAt(port);
  for (let i = 0; i < 6; i++) {
    const slow = outcome(upstream, call({ path: "/slow", answerMs: 100 }));
    expect(await outcome(upstream)).toBe(200);
    await slow;
  }
  expect(upstream.state).toBe("closed");
});

test("refusals, other failures, slow bodies and clients that leave do not open the breaker", async () => {
  const { port } = await listen((req, res) => {
    if (req.url === "/slow") return;
    if (req.url === "/body") return void res.writeHead(200).write("begun, never ended");
    if (req.url === "/fenced") return void res.writeHead(503, { "x-medvault-refusal": "x" }).end("{}");
    res.writeHead(Number(req.url?.slice(1))).end("{}");
  });
  const upstream = upstreamAt(port);
  for (const status of [400, 404, 409, 429, 500, 501]) {
    for (let i = 0; i < 12; i++) expect(await outcome(upstream, call({ path: `/${status}` }))).toBe(status);
  }
  for (let i = 0; i < 12; i++) expect(await outcome(upstream, call({ path: "/fenced" }))).toBe(503);
  await Promise.all(Array.from({ length: 12 }, () => outcome(upstream, call({ path: "/body" }))));
  const leaving = Array.from({ length: 12 }, () => {
    const client = new Departure();
    setTimeout(() => client.leave(), 20);
    return outcome(upstream, call({ path: "/slow", client }));
  });
  await Promise.all(leaving);
  expect(upstream.state).toBe("closed");
  await vi.waitFor(() => expect(upstream.inFlight).toBe(0));
});

test("a service that begins no answer in time is a 504, and its connection ends", async () => {
  let open = 0;
  const { port } = await listen((req) => {
    open += 1;
    req.socket.once("close", () => {
      open -= 1;
    });
  });
  const upstream = upstreamAt(port);
  const since = performance.now();
  const thrown = await upstream.request(call({ answerMs: 1_000 })).catch((error: unknown) => error);
  expect(upstreamError(thrown)).toMatchObject({ code: "gateway_timeout", retryAfterSeconds: 2 });
  expect(performance.now() - since).toBeLessThan(3_000);
  await vi.waitFor(() => expect([open, upstream.inFlight]).toEqual([0, 0]));
});

/** A service that answers nothing until it is told to, and has as many calls as it may. */
async function givenBusyService() {
  const waiting: (() => void)[] = [];
  const { port } = await listen((_req, res) => void waiting.push(() => res.end("{}")));
  const upstream = upstreamAt(port);
  const calls = Array.from({ length: 512 }, () => outcome(upstream));
  await vi.waitFor(() => expect(waiting).toHaveLength(512), { timeout: 10_000 });
  let answered = 0;
  const answerAll = async () => {
    while (answered < calls.length) {
      for (const answer of waiting.splice(0)) {
        answer();
        answered += 1;
      }
      await new Promise(setImmediate);
    }
    return new Set(await Promise.all(calls));
  };
  return { upstream, waiting, calls, answerAll };
}
const patient = (over: Partial<UpstreamRequest> = {}) => call({ answerMs: 100_000, ...over });

test("a thousand refreshes at once, more than a service takes at a time, are served in turn, and none is 503", async () => {
  const { upstream, waiting, calls, answerAll } = await givenBusyService();
  const refresh = () => patient({ method: "POST", body: Buffer.from("{}") });
  for (let i = 0; i < 488; i++) calls.push(outcome(upstream, refresh()));
  await new Promise(setImmediate);
  expect([upstream.inFlight, waiting.length]).toEqual([512, 512]); // the service is not buried
  expect(await answerAll()).toEqual(new Set([200]));
  await vi.waitFor(() => expect(upstream.inFlight).toBe(0));
});

test("what waits for a turn is bounded: in number, in what it holds, in time, and by its client's patience", async () => {
  const { upstream, calls, answerAll } = await givenBusyService();
  const held = Buffer.alloc(64 * 1024 + 1);
  for (const body of [held, Readable.from([Buffer.from("{}")])]) {
    expect(await outcome(upstream, patient({ method: "POST", body }))).toBe("unavailable");
  }
  expect(await outcome(upstream, call({ answerMs: 50 }))).toBe("unavailable"); // 20 ms, unsent
  const client = new Departure();
  const left = outcome(upstream, patient({ client })).catch((error: Error) => error);
  await new Promise(setImmediate);
  client.leave();
  await left;
  for (let i = 0; i < 1_024; i++) calls.push(outcome(upstream, patient()));
  await expect(upstream.request(patient())).rejects.toMatchObject({
    code: "unavailable",
    retryAfterSeconds: 2,
  });
  expect(upstream.inFlight).toBe(512);
  expect(await answerAll()).toEqual(new Set([200]));
});

test("when a service hangs, what waits for it is bounded in number and time, and nothing of it stays", async () => {
  const { port } = await listen(() => undefined);
  const upstream = upstreamAt(port);
  const since = performance.now();
  const outcomes = await Promise.all(
    Array.from({ length: 700 }, () => upstream.request(call({ answerMs: 1_000 })).catch(upstreamError)),
  );
  expect(performance.now() - since).toBeLessThan(4_000); // 512 connections at once take their time too
  const codes = outcomes.map((thrown) => ("code" in thrown ? thrown.code : "answered"));
  expect(codes.filter((code) => code === "unavailable")).toHaveLength(188);
  expect(codes.filter((code) => code === "gateway_timeout")).toHaveLength(512);
  await vi.waitFor(() => expect(upstream.inFlight).toBe(0));
});
