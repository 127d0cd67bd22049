// Whoever listens on a port of ours is asked for a proof before anything is believed or sent.
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { createLogger, proofOf, type Running, serve } from "@medvault/service-kit";
import express from "express";
import { expect, onTestFinished, test } from "vitest";
import { NotOurGateway, provenFetch } from "../../tools/lib/proven-fetch.ts";
import { portTrouble, readyz } from "../lib/ports.mjs";
import { newProofKey } from "../lib/proof.mjs";
import { Supervised } from "../servers/supervise.ts";
import { planned } from "../settings/faults.ts";
import { givenDataDir } from "../test/harness.ts";
import { service } from "./services.ts";

const KEY = newProofKey();

/** As the gateway says of itself that all is well. */
const wellBehaved: RequestListener = (_req, res) =>
  res.setHeader("content-type", "application/json").end('{"status":"ok","checks":{}}');

async function givenStranger(handler: RequestListener, port = 0): Promise<number> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

/** A process of ours, with `/healthz`, `/readyz` and one route that takes a secret. */
async function givenOwn(port = 0): Promise<Running & { taken: unknown[] }> {
  const taken: unknown[] = [];
  const app = express().use(express.json());
  app.get(["/healthz", "/readyz"], wellBehaved);
  app.post("/v1/auth/login", (req, res) =>
    res.json({ took: taken.push(req.body), from: req.socket.remoteAddress }),
  );
  const logger = createLogger({ service: "own", level: "silent" });
  const own = await serve({ app, port, adminPort: 0, logger, onStop: [], proofKey: KEY, exit: () => {} });
  onTestFinished(() => own.stop());
  return { ...own, taken };
}

const gatewayAt = (gatewayPort: number) =>
  service("gateway", { ...planned({}), gatewayPort, proofKeys: { gateway: KEY } as never });
const login = (port: number, key = KEY, send = provenFetch(key)) =>
  send(`http://127.0.0.1:${port}/v1/auth/login`, {
    method: "POST",
    headers: new Headers({ "content-type": "application/json" }),
    body: '{"password":"pw"}',
  });

test("a stranger on the gateway's port is never ready, whatever it answers", async () => {
  const port = await givenStranger(wellBehaved);
  expect(await gatewayAt(port).isReady()).toBe(false);
  expect(await readyz(`http://127.0.0.1:${port}`, KEY)).toBeNull();
  const own = await givenOwn();
  expect(await gatewayAt(own.port).isReady()).toBe(true);
  expect(await readyz(`http://127.0.0.1:${own.port}`, KEY)).toMatchObject({ status: "ok" });
  expect(await readyz(`http://127.0.0.1:${own.port}`, newProofKey())).toBeNull();
});

test("a stranger that passes questions on to the right process proves nothing", async () => {
  const own = await givenOwn();
  const port = await givenStranger(async (req, res) => {
    const headers = { "x-medvault-challenge": String(req.headers["x-medvault-challenge"]) };
    const answer = await fetch(`http://127.0.0.1:${own.port}${req.url}`, { headers });
    for (const [name, value] of answer.headers) res.setHeader(name, value);
    res.end(await answer.text());
  });
  expect(await gatewayAt(port).isReady()).toBe(false);
  await expect(login(port)).rejects.toMatchObject({ cause: expect.any(NotOurGateway) });
});

test("a password goes over a connection that was proved, and over no other", async () => {
  const own = await givenOwn();
  const send = provenFetch(KEY);
  expect((await login(own.port, KEY, send)).status).toBe(200);
  const another = await login(own.port, newProofKey()).catch((error: Error) => error.cause);
  expect(another).toBeInstanceOf(NotOurGateway);
  expect(own.taken).toEqual([{ password: "pw" }]);
  // It dies after it was up, and a stranger takes its port.
  await own.stop();
  const seen: string[] = [];
  const stranger: RequestListener = (req, res) => {
    seen.push(`${req.method} ${req.url}`);
    wellBehaved(req, res);
  };
  await givenStranger(stranger, own.port);
  await expect(login(own.port, KEY, send)).rejects.toMatchObject({ cause: expect.any(NotOurGateway) });
  expect(seen).toEqual(["GET /healthz"]);
});

test("each person of the demo calls from an address of their own, over proved connections too", async () => {
  const own = await givenOwn();
  const answer = await login(own.port, KEY, provenFetch(KEY, "127.0.1.7"));
  expect(await answer.json()).toMatchObject({ from: "127.0.1.7" });
});

test("the proof is the key's, the challenge's and the port's", () => {
  const [challenge, other] = ["a".repeat(64), "b".repeat(64)];
  const proofs = [
    proofOf(KEY, challenge, 1),
    proofOf(KEY, challenge, 2),
    proofOf(KEY, other, 1),
    proofOf("x", challenge, 1),
  ];
  expect(new Set(proofs).size).toBe(4);
});

test("a server whose port a stranger has is asked nothing: its password stays here", async () => {
  const port = await givenStranger(wellBehaved);
  let asked = 0;
  const data = givenDataDir();
  const server = new Supervised(
    {
      name: "redis",
      command: process.execPath,
      args: ["-e", `require("net").createServer().listen(${port}, "127.0.0.1")`],
      env: {},
      cwd: "/",
      log: `${data}/redis.log`,
      port,
      isReady: async () => ++asked > 0,
      stopSignal: "SIGTERM",
      stopGraceMs: 500,
    },
    { say: () => {}, onChange: () => {} },
  );
  await expect(server.start()).rejects.toThrow(
    `redis ended while starting (Error: port ${port} is taken by another program)`,
  );
  expect(asked).toBe(0);
  expect(await portTrouble(port)).toBe("EADDRINUSE");
});
