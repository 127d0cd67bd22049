import { Readable } from "node:stream";
import { metricsOf } from "@medvault/service-kit";
import { expect, test, vi } from "vitest";
import { ask, givenGateway } from "../../test/harness.ts";

const MIB = 1024 * 1024;
const edge = await givenGateway({ MEDVAULT_MAX_UPLOAD_BYTES: String(8 * MIB) });
const doctor = await edge.signIn("doctor");

/** Bytes that a service writes instead of an answer, and how it ends the connection then. */
interface Bad {
  write?: string | Buffer;
  /** Default: not at all. */
  ends?: "end" | "destroy" | "reset";
  /** What the client gets: a status, or a body that breaks off. Default: 502. */
  expected?: number | "broken";
  body?: string;
}

const head = (...lines: string[]) => `${["HTTP/1.1 200 OK", ...lines].join("\r\n")}\r\n\r\n`;
const CASES: Record<string, Bad> = {
  "nothing, and ends": { ends: "end" },
  "nothing, and resets": { ends: "reset" },
  "half a status line": { write: "HTTP/1.1 20", ends: "end" },
  "half its headers": { write: "HTTP/1.1 200 OK\r\nContent-Le", ends: "destroy" },
  "not HTTP": { write: "SSH-2.0-secret-mark\r\n" },
  "random bytes": { write: Buffer.from("00ff17e2d0a90d0a0d0a", "hex") },
  "a status that is none": { write: "HTTP/1.1 OK 200\r\n\r\n" },
  "headers of 64 KiB": { write: head(`X-A: ${"a".repeat(64 * 1024)}`) },
  "a thousand headers": {
    write: head(...Array.from({ length: 1_000 }, (_, i) => `X-${i}: ${"v".repeat(20)}`)),
  },
  "a length that is none": { write: head("Content-Length: 1e3") },
  "two lengths": { write: `${head("Content-Length: 2", "Content-Length: 3")}{}` },
  "length and chunks": {
    write: `${head("Content-Length: 2", "Transfer-Encoding: chunked")}2\r\n{}\r\n0\r\n\r\n`,
  },
  "an upgrade": { write: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" },
  "less than it said": { write: `${head("Content-Length: 10")}half`, ends: "end", expected: "broken" },
  "broken chunks": { write: `${head("Transfer-Encoding: chunked")}2\r\n{}\r\nzz\r\n`, expected: "broken" },
  "chunks without an end": {
    write: `${head("Transfer-Encoding: chunked")}2\r\n{}\r\n`,
    ends: "end",
    expected: "broken",
  },
  "more than it said": {
    write: `${head("Content-Length: 2")}{}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
    expected: 200,
    body: "{}",
  },
  "a 100 that was not asked for": { write: `HTTP/1.1 100 Continue\r\n\r\n${head("Content-Length: 2")}{}` },
  "103 first": {
    write: `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${head("Content-Length: 2")}{}`,
    ends: "end",
    expected: 200,
    body: "{}",
  },
  "no length, until it ends": {
    write: `${head("Connection: close")}{}`,
    ends: "end",
    expected: 200,
    body: "{}",
  },
  "a header that no client may get": {
    write: Buffer.from(`${head("Content-Length: 2", "ETag: \u4e2d\u0001")}{}`),
  },
};

test.each(["GET", "POST"])(
  "whatever a service does to a %s, its client gets a problem within 3 s or the answer",
  async (method) => {
    const { records } = edge.services;
    for (const [name, bad] of Object.entries(CASES)) {
      records.raw = (req) => {
        req.resume();
        if (bad.write) req.socket.write(bad.write);
        if (bad.ends === "end") req.socket.end();
        if (bad.ends === "destroy") req.socket.destroySoon();
        if (bad.ends === "reset") req.socket.resetAndDestroy();
      };
      const since = performance.now();
      const answer = await edge.call("/v1/patients", {
        method,
        as: doctor,
        signal: AbortSignal.timeout(3_000),
      });
      const text = await answer.text().catch(() => null);
      expect(performance.now() - since, name).toBeLessThan(3_000);
      if (bad.expected === "broken") expect([answer.status, text], name).toEqual([200, null]);
      else expect(answer.status, name).toBe(bad.expected ?? 502);
      if (bad.body !== undefined) expect(text, name).toBe(bad.body);
      if (answer.status >= 500) {
        expect(answer.headers.get("content-type"), name).toMatch(/^application\/problem\+json/);
        expect(JSON.parse(text ?? ""), name).toMatchObject({ code: "bad_gateway" });
        expect(answer.headers.get("retry-after"), name).toBe("2");
        expect(text, name).not.toContain("secret-mark");
      }
      // what it left on the connection is no one else's answer
      records.raw = null;
      await untilClosed();
      for (let i = 0; i < 4; i++) {
        const next = await edge.call("/v1/patients", { as: doctor });
        const found = [next.status, await next.text()];
        expect(found, `after: ${name}`).toEqual([200, '{"service":"records"}']);
      }
    }
  },
);

test("an answer of 256 MiB passes, and one that comes byte by byte does too", async () => {
  const { records } = edge.services;
  const chunk = Buffer.alloc(MIB);
  records.raw = (_req, res) => {
    res.writeHead(200, { "content-length": 256 * MIB });
    Readable.from(Array.from({ length: 256 }, () => chunk)).pipe(res);
  };
  const answer = await edge.call("/v1/patients", { as: doctor });
  let bytes = 0;
  for await (const part of answer.body ?? []) bytes += part.length;
  expect(bytes).toBe(256 * MIB);
  records.raw = (_req, res) => {
    let left = 20;
    res.writeHead(200, { "content-type": "application/json" });
    const drip = setInterval(() => {
      res.write("x");
      left -= 1;
      if (left === 0) {
        clearInterval(drip);
        res.end();
      }
    }, 10);
  };
  expect(await (await edge.call("/v1/patients", { as: doctor })).text()).toBe("x".repeat(20));
  records.raw = null;
});

test("a refusal that comes while the upload is under way reaches its client, and the upload ends", async () => {
  const { files } = edge.services;
  files.raw = (req, res) => {
    req.once("data", () => {
      res.writeHead(422, { "content-type": "application/problem+json" }).end('{"code":"refused_early"}');
    });
  };
  const headers = { "content-length": 40 * MIB };
  const upload = ask(edge.url, "/v1/files", doctor, { method: "POST", headers });
  upload.on("error", () => undefined);
  const answered = new Promise<[number, string]>((resolve) => {
    upload.once("response", async (res) => {
      let text = "";
      for await (const part of res) text += String(part);
      resolve([res.statusCode ?? 0, text]);
    });
  });
  const closed = new Promise((resolve) => upload.once("close", resolve));
  upload.write(Buffer.alloc(MIB));
  expect(await answered).toEqual([422, '{"code":"refused_early"}']);
  await closed;
  files.raw = null;
  await untilClosed();
});

/** Until no call of the gateway's is running. */
async function untilClosed(): Promise<void> {
  const gauge = metricsOf(edge.gateway.app).getSingleMetric("gateway_upstream_calls_active");
  const areNone = async () => (await gauge?.get())?.values.every(({ value }) => value === 0);
  await vi.waitFor(async () => expect(await areNone()).toBe(true));
}
