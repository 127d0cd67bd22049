import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { expect, test, vi } from "vitest";
import { type GatewayProcess, spawnGateway } from "../../test/gateway-process.ts";
import { ask as askAs, finallyDo, givenHarness } from "../../test/harness.ts";

const MIB = 1024 * 1024;
const WHOLE = 256 * MIB;
const CHUNK = Buffer.alloc(64 * 1024, "x");
const harness = await givenHarness();
const doctor = await harness.signIn("doctor");
const env = { ...harness.env, REDIS_URL: harness.redis.url, MEDVAULT_MAX_UPLOAD_BYTES: String(WHOLE) };

async function started(port?: number): Promise<GatewayProcess> {
  // As it is started outside of tests.
  const nodeArgs = ["--scavenger-max-new-space-capacity-mb=2", "--heap-growing-percent=50"];
  const gateway = await spawnGateway(env, { nodeArgs, ...(port && { port }) });
  finallyDo(() => gateway.stop());
  return gateway;
}

function* bytes(total: number): Generator<Buffer> {
  for (let sent = 0; sent < total; sent += CHUNK.length) yield CHUNK;
}

const ask = ({ url }: GatewayProcess, path: string, options: RequestOptions = {}): ClientRequest =>
  askAs(url, path, doctor, options);

async function answerOf(
  call: ClientRequest,
): Promise<[status: number, bytes: number, headers: IncomingMessage["headers"]]> {
  const [res] = (await once(call, "response")) as [IncomingMessage];
  let size = 0;
  for await (const chunk of res) size += (chunk as Buffer).length;
  return [res.statusCode ?? 0, size, res.headers];
}

test("uploads and downloads of 256 MiB cost the gateway less than 32 MiB of memory", async () => {
  const gateway = await started();
  let received = 0;
  harness.services.files.raw = async (req, res) => {
    if (req.method === "GET") {
      res.writeHead(200, { "content-type": "application/octet-stream" });
      return void pipeline(Readable.from(bytes(Number(req.headers.range?.slice(6)))), res).catch(
        () => undefined,
      );
    }
    received = 0;
    for await (const chunk of req) received += (chunk as Buffer).length;
    res.end("{}");
  };
  const through = async (total: number) => {
    const upload = ask(gateway, "/v1/files", { method: "POST" });
    const [answer] = await Promise.all([answerOf(upload), pipeline(Readable.from(bytes(total)), upload)]);
    expect([answer[0], received]).toEqual([200, total]);
    const download = ask(gateway, "/v1/files/1/content");
    download.setHeader("range", `bytes=${total}`);
    download.end();
    expect((await answerOf(download)).slice(0, 2)).toEqual([200, total]);
  };
  await through(WHOLE);
  // Other tests delay the garbage collector: the least of three counts. Buffering shows in each.
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3 && least >= 32; run++) {
    const before = gateway.rssBytes();
    let peak = before;
    const sampling = setInterval(() => {
      peak = Math.max(peak, gateway.rssBytes());
    }, 20);
    await through(WHOLE);
    clearInterval(sampling);
    least = Math.min(least, (peak - before) / MIB);
  }
  expect(least).toBeLessThan(32);
  expect(await gateway.stop()).toBe(0);
}, 60_000);

test("when a client or a service breaks off, the other one notices within a second, up and down", async () => {
  const gateway = await started();
  const { files } = harness.services;
  let broken = 0;
  files.raw = (req, res) => {
    req.on("error", () => undefined);
    res.on("close", () => {
      if (!res.writableFinished) broken = performance.now();
    });
    if (req.method === "POST") return void req.resume();
    res.writeHead(200);
    res.write("begun");
  };
  const within = async (leave: () => void) => {
    broken = 0;
    const since = performance.now();
    leave();
    await vi.waitFor(() => expect(broken).toBeGreaterThan(0), { timeout: 3_000, interval: 10 });
    expect(broken - since).toBeLessThan(1_000);
  };
  const upload = ask(gateway, "/v1/files", { method: "POST" });
  upload.on("error", () => undefined);
  const seen = new Promise((resolve) => {
    const handler = files.raw;
    files.raw = (req, res) => {
      req.once("data", resolve);
      handler?.(req, res);
      files.raw = handler;
    };
  });
  upload.write(CHUNK);
  await seen;
  await within(() => upload.destroy());
  const download = ask(gateway, "/v1/files/1/content");
  download.on("error", () => undefined).end();
  const [res] = (await once(download, "response")) as [IncomingMessage];
  res.on("error", () => undefined);
  await once(res, "data");
  await within(() => download.destroy());
  // the other way
  files.raw = (_req, answer) => {
    answer.writeHead(200, { "content-length": 1_000 }).write("half");
    setTimeout(() => answer.destroy(), 20);
  };
  const cut = ask(gateway, "/v1/files/1/content");
  cut.end();
  const [half] = (await once(cut, "response")) as [IncomingMessage];
  const since = performance.now();
  await expect(once(half.resume(), "end")).rejects.toThrow();
  expect(performance.now() - since).toBeLessThan(1_000);
  files.raw = null;
  expect(await gateway.stop()).toBe(0);
}, 30_000);

test("five restarts under load on kept-alive connections lose no request, read or write", async () => {
  const pair = [await started(), await started()];
  const failed: string[] = [];
  let done = 0;
  let stop = false;
  const client = async (n: number) => {
    let agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let at = n % 2;
    const elsewhere = () => {
      agent.destroy();
      agent = new Agent({ keepAlive: true, maxSockets: 1 });
      at = 1 - at;
    };
    while (!stop) {
      const call = ask(pair[at] as GatewayProcess, "/v1/claims", {
        method: n % 3 === 0 ? "POST" : "GET",
        agent,
      });
      try {
        call.end();
        const [status, , headers] = await answerOf(call);
        if (status === 200) done += 1;
        else failed.push(String(status));
        if (headers.connection === "close") elsewhere(); // as a balancer that reads /readyz does
      } catch (error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        if (code === "ECONNREFUSED") elsewhere();
        else failed.push(code);
      }
    }
    agent.destroy();
  };
  const clients = Array.from({ length: 12 }, (_, n) => client(n));
  for (let restart = 0; restart < 5; restart++) {
    const atLeast = done + 50;
    await vi.waitFor(() => expect(done).toBeGreaterThan(atLeast), { timeout: 20_000, interval: 50 });
    const leaving = pair[restart % 2] as GatewayProcess;
    expect(await leaving.stop()).toBe(0);
    pair[restart % 2] = await started(leaving.port);
  }
  stop = true;
  await Promise.all(clients);
  expect(failed).toEqual([]);
  expect(done).toBeGreaterThan(300);
}, 120_000);
