import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { lifecycleOf, metricsOf } from "@medvault/service-kit";
import { afterEach, expect, test, vi } from "vitest";
import { ask, givenGateway, problemOf } from "../../test/harness.ts";

const MIB = 1024 * 1024;
const edge = await givenGateway({ MEDVAULT_MAX_UPLOAD_BYTES: String(MIB) });
const doctor = await edge.signIn("doctor");
afterEach(() => {
  for (const name of ["records", "files", "audit", "backup"] as const) edge.services[name].raw = null;
});

test("bytes stream through unchanged, both ways, with Range and its answer", async () => {
  const content = randomBytes(5 * MIB);
  edge.services.files.raw = (req, res) => {
    if (req.method === "POST")
      return void req.pipe(res.writeHead(200, { "content-type": "application/octet-stream" }));
    expect(req.headers.range).toBe("bytes=0-9");
    res.writeHead(206, {
      "content-range": `bytes 0-9/${content.length}`,
      "accept-ranges": "bytes",
      "content-length": 10,
    });
    res.end(content.subarray(0, 10));
  };
  const echo = await edge.call("/v1/files", { method: "POST", as: doctor, body: content });
  expect(Buffer.from(await echo.arrayBuffer()).equals(content)).toBe(true);
  const part = await edge.call("/v1/files/1/content", { as: doctor, headers: { range: "bytes=0-9" } });
  expect([part.status, part.headers.get("content-range")]).toEqual([206, `bytes 0-9/${content.length}`]);
  expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(0, 10))).toBe(true);
});

test("a reader who stops reading stops the service: the gateway holds no more than its buffers", async () => {
  let sent = 0;
  edge.services.files.raw = (_req, res) => {
    res.writeHead(200);
    const chunk = Buffer.alloc(64 * 1024);
    const push = () => {
      while (sent < 64 * MIB) {
        sent += chunk.length;
        if (!res.write(chunk)) return void res.once("drain", push);
      }
      res.end();
    };
    push();
  };
  const req = ask(edge.url, "/v1/files/1/content", doctor).end();
  const [res] = await once(req, "response");
  res.pause();
  let last = -1;
  await vi.waitFor(
    () => {
      const [before, after] = [last, sent];
      last = sent;
      expect(after).toBe(before);
    },
    { interval: 90, timeout: 10_000 },
  );
  expect(sent).toBeLessThan(32 * MIB);
  req.destroy();
});

test("a client that goes away ends the call to the service", async () => {
  let arrived = false;
  const closed = new Promise((resolve) => {
    edge.services.records.raw = (req, res) => {
      arrived = true;
      res.once("close", () => resolve(req.url));
    };
  });
  const abort = new AbortController();
  edge.call("/v1/records/slow", { as: doctor, signal: abort.signal }).catch(() => undefined);
  await vi.waitFor(() => expect(arrived).toBe(true), { timeout: 10_000 });
  abort.abort();
  expect(await closed).toBe("/v1/records/slow");
});

test("a failure that is no problem document is 503, with nothing of it inside", async () => {
  edge.services.backup.raw = (_req, res) =>
    void res.writeHead(500, { "content-type": "text/html" }).end("secret-mark");
  const foreign = await edge.call("/v1/backups", { as: doctor });
  expect([foreign.status, (await foreign.text()).includes("secret-mark")]).toEqual([503, false]);
});

test("problems of a service pass as they are", async () => {
  edge.services.records.raw = (_req, res) =>
    void res
      .writeHead(503, { "content-type": "application/problem+json", "retry-after": "7" })
      .end(JSON.stringify({ code: "unavailable" }));
  const answer = await edge.call("/v1/patients", { as: doctor });
  expect(await problemOf(answer)).toEqual([503, "unavailable"]);
  expect(answer.headers.get("retry-after")).toBe("7");
});

test("a service whose storage is full says so each time: its breaker stays closed, and it still reads", async () => {
  edge.services.files.raw = (req, res) =>
    req.method === "GET"
      ? void res.writeHead(200, { "content-type": "application/json" }).end("{}")
      : void res
          .writeHead(503, {
            "content-type": "application/problem+json",
            "retry-after": "10",
            "x-medvault-refusal": "storage_full",
          })
          .end(JSON.stringify({ code: "storage_full" }));
  for (let i = 0; i < 15; i++) {
    const answer = await edge.call("/v1/files/1", { as: doctor, method: "DELETE" });
    expect(await problemOf(answer)).toEqual([503, "storage_full"]);
    expect(answer.headers.get("retry-after")).toBe("10");
    expect(answer.headers.has("x-medvault-refusal")).toBe(false);
  }
  expect((await edge.call("/v1/files/1", { as: doctor })).status).toBe(200);
});

test("a service that is away is 503 within 3 s, opens its breaker, shows in readyz, and recovers by itself", async () => {
  const { audit } = edge.services;
  await audit.stop();
  const started = performance.now();
  const answer = await edge.call("/v1/audit/events", { as: doctor });
  expect(await problemOf(answer)).toEqual([503, "unavailable"]);
  expect(answer.headers.get("retry-after")).toBe("2");
  expect(performance.now() - started).toBeLessThan(3_000);
  await Promise.all(Array.from({ length: 12 }, () => edge.call("/v1/audit/events", { as: doctor })));
  const ready = await vi.waitFor(async () => {
    const found = await edge.call("/readyz");
    const body = (await found.json()) as { status: string; checks: Record<string, string> };
    expect(body.checks.audit).toBe("down");
    return { status: found.status, body };
  });
  expect(ready).toMatchObject({
    status: 200,
    body: { status: "degraded", checks: { records: "ok", redis: "ok", rabbitmq: "ok" } },
  });
  expect(await breakerOf("audit")).toBe(2);
  expect(await breakerOf("records")).toBe(0);
  expect((await edge.call("/v1/patients", { as: doctor })).status).toBe(200);
  await audit.start();
  await vi.waitFor(
    async () => expect((await edge.call("/v1/audit/events", { as: doctor })).status).toBe(200),
    {
      timeout: 10_000,
      interval: 90,
    },
  );
  expect(await breakerOf("audit")).toBe(0);
});

/** 0 closed, 1 half-open, 2 open, as operators see it. */
async function breakerOf(upstream: string): Promise<number | undefined> {
  const metric = await metricsOf(edge.gateway.app).getSingleMetric("gateway_breaker_state")?.get();
  return metric?.values.find(({ labels }) => (labels as { upstream?: string }).upstream === upstream)?.value;
}

test("server-sent events arrive as they are sent, not at the end", async () => {
  let finish = () => {};
  edge.services.audit.raw = (_req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
    finish = () => res.end("data: two\n\n");
  };
  const answer = await edge.call("/v1/audit/stream", { as: doctor });
  const reader = answer.body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: one\n\n");
  finish();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: two\n\n");
});

test("a read is sent once more when its kept-alive connection was just closed; a write never is", async () => {
  let connections = 0;
  edge.services.backup.raw = (req, res) => {
    connections += 1;
    if (connections === 1) return void req.socket.destroy();
    res.writeHead(200).end("{}");
  };
  expect((await edge.call("/v1/backups", { as: doctor })).status).toBe(200);
  expect(connections).toBe(2);
  connections = 0;
  expect((await edge.call("/v1/backups", { method: "POST", as: doctor })).status).toBe(502);
  expect(connections).toBe(1);
});

test("a stream of events ends, whole, when the gateway drains, and its service notices", async () => {
  const own = await givenGateway();
  let left = false;
  own.services.audit.raw = (_req, res) => {
    res.once("close", () => {
      left = true;
    });
    res.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
  };
  const answer = await own.call("/v1/audit/stream", { as: await own.signIn("auditor") });
  const reader = answer.body?.getReader();
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe("data: one\n\n");
  lifecycleOf(own.gateway.app).drain();
  expect((await reader?.read())?.done).toBe(true);
  await vi.waitFor(() => expect(left).toBe(true));
});
