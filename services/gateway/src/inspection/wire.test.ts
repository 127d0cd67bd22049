import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { givenGateway, type Person, problemOf } from "../../test/harness.ts";
import { type RawAnswer, sendRaw } from "../../test/raw-http.ts";

const edge = await givenGateway({ MEDVAULT_LOGIN_RATE: "1000" });
const doctor = await edge.signIn("doctor");

const lines = (...fields: string[]) => `${[...fields, "Connection: close"].join("\r\n")}\r\n\r\n`;
const get = (target: string, ...fields: string[]) => lines(`GET ${target} HTTP/1.1`, "Host: x", ...fields);
const post = (body: string, ...fields: string[]) =>
  lines("POST /v1/auth/login HTTP/1.1", "Host: x", ...fields) + body;
const json = (body: string, type = "application/json") =>
  post(body, `Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body, "latin1")}`);

/** Every refusal has this shape, wherever it comes from. */
function expectProblem(answer: RawAnswer, status: number, name: string): void {
  expect(answer.status, name).toBe(status);
  expect(answer.headers.get("content-type") ?? "", name).toMatch(/^application\/problem\+json/);
  const problem = JSON.parse(answer.body) as Record<string, unknown>;
  expect(problem, name).toMatchObject({ status, code: expect.stringMatching(/^[a-z_]+$/) });
  expect(answer.headers.get("x-request-id"), name).toBe(problem.requestId);
  for (const [header, value] of [
    ["x-content-type-options", "nosniff"],
    ["x-frame-options", "DENY"],
    ["x-xss-protection", "0"],
    ["referrer-policy", "strict-origin-when-cross-origin"],
    ["cache-control", "no-store"],
  ] as const)
    expect(answer.headers.get(header), `${name}: ${header}`).toBe(value);
  expect(answer.headers.get("content-security-policy"), name).toContain("default-src 'none'");
  expect(answer.headers.get("strict-transport-security"), name).toContain("max-age=31536000");
  expect(answer.headers.has("permissions-policy"), name).toBe(true);
  for (const header of ["server", "x-powered-by"]) expect(answer.headers.has(header), name).toBe(false);
}

test("requests that two servers could read in two ways are refused by their head, and reach no service", async () => {
  const before = edge.reached();
  const cases: Record<string, [status: number, bytes: string]> = {
    "two lengths": [400, post("ab", "Content-Length: 2", "Content-Length: 3")],
    "a length and chunks": [400, post("0\r\n\r\n", "Content-Length: 4", "Transfer-Encoding: chunked")],
    "a coding before chunked": [400, post("0\r\n\r\n", "Transfer-Encoding: gzip, chunked")],
    "a coding in disguise": [400, post("0\r\n\r\n", "Transfer-Encoding: \x0bchunked")],
    "a coding that is none": [400, post("0\r\n\r\n", "Transfer-Encoding: identity")],
    "a blank before the colon": [400, post("ab", "Content-Length : 2")],
    "a negative length": [400, post("", "Content-Length: -1")],
    "a length with a sign": [400, post("ab", "Content-Length: +2")],
    "a folded header": [400, get("/docs", "X-A: a\r\n b")],
    "a NUL in a header": [400, get("/docs", "X-A: a\0b")],
    "a NUL in the target": [400, get("/docs\0")],
    "a line feed alone": [400, "GET /docs HTTP/1.1\nHost: x\n\n"],
    "no host": [400, lines("GET /docs HTTP/1.1")],
    "two hosts": [400, get("/docs", "Host: y")],
    "no host for a health check": [400, lines("GET /healthz HTTP/1.1")],
    "two hosts for readiness": [400, lines("GET /readyz HTTP/1.1", "Host: x", "Host: y")],
    "two hosts for a preflight": [
      400,
      lines(
        "OPTIONS /v1/patients HTTP/1.1",
        "Host: x",
        "Host: y",
        "Origin: https://x",
        "Access-Control-Request-Method: GET",
      ),
    ],
    "a host that is none": [400, lines("GET /docs HTTP/1.1", "Host: a/b")],
    "a chunk size that is none": [400, post("zz\r\n", "Transfer-Encoding: chunked")],
    "an absolute target": [400, get("http://elsewhere/docs")],
    "a target of another scheme": [400, get("file:///etc/passwd")],
    "a version that is none": [400, lines("GET /docs HTTP/9.9", "Host: x")],
    "no HTTP at all": [400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
    "headers of 17 KiB": [431, get("/docs", `X-A: ${"a".repeat(17_000)}`)],
    "many headers of 17 KiB": [
      431,
      get("/docs", ...Array.from({ length: 1_300 }, (_, i) => `X-${i}: ${"a".repeat(12)}`)),
    ],
    "two hundred headers": [400, get("/docs", ...Array.from({ length: 200 }, (_, i) => `X-${i}: a`))],
    "a target of 9 KiB": [414, get(`/docs?q=${"a".repeat(9_000)}`)],
    "a target of 20 KiB": [414, get(`/docs?q=${"a".repeat(20_000)}`)],
    TRACE: [405, lines("TRACE /docs HTTP/1.1", "Host: x")],
    CONNECT: [405, lines("CONNECT elsewhere:443 HTTP/1.1", "Host: elsewhere:443")],
    OPTIONS: [405, lines("OPTIONS * HTTP/1.1", "Host: x")],
    PROPFIND: [405, lines("PROPFIND /docs HTTP/1.1", "Host: x")],
    "a method that is none": [501, lines("MAKE /coffee HTTP/1.1", "Host: x")],
    "an expectation that is none": [417, get("/docs", "Expect: 200-maybe")],
    "a header named by Connection": [
      400,
      lines("GET /docs HTTP/1.1", "Host: x", "X-Purpose: TREAT", "Connection: X-Purpose"),
    ],
  };
  for (const [name, [status, bytes]] of Object.entries(cases))
    expectProblem(await sendRaw(edge.url, bytes), status, name);
  const traced = await sendRaw(edge.url, lines("TRACE /docs HTTP/1.1", "Host: x"));
  expect(traced.headers.get("allow")).toBe("GET, HEAD, POST, PUT, PATCH, DELETE");
  expect(edge.reached()).toBe(before);
});

test("bodies that are no well-formed JSON in UTF-8 are refused, and reach no service", async () => {
  const before = edge.reached();
  const cases: Record<string, [status: number, bytes: string]> = {
    "no JSON": [400, json("{a:1}")],
    "half of it": [400, json('{"a":')],
    "two of it": [400, json('{"a":1}{"b":2}')],
    "bad UTF-8": [400, json('{"a":"\xff"}')],
    "overlong UTF-8": [400, json('{"a":"\xc0\xaf"}')],
    "a surrogate in UTF-8": [400, json('{"a":"\xed\xa0\x80"}')],
    "a byte order mark": [400, json('\xef\xbb\xbf{"a":1}')],
    "a NUL": [400, json('{"a":"\0"}')],
    "UTF-16": [415, json("\xff\xfe{\0}\0", "application/json; charset=utf-16")],
    "another charset": [415, json("{}", "application/json; charset=utf-7")],
    "text/json": [415, json("{}", "text/json")],
    "two types": [415, json("{}", "application/json, text/html")],
    "a form": [415, json("a=1", "application/x-www-form-urlencoded")],
    "a multipart": [415, json("--x--", "multipart/form-data; boundary=x")],
    "no type": [415, post("{}", "Content-Length: 2")],
    "depth 33": [400, json("[".repeat(33) + "]".repeat(33))],
    "a name twice": [400, json('{"identifier":"a","identifier":"b"}')],
    "a prototype": [400, json('{"__proto__":{"role":"admin"}}')],
    "10,001 items": [400, json(`[${"1,".repeat(10_000)}1]`)],
  };
  for (const [name, [status, bytes]] of Object.entries(cases)) {
    expectProblem(await sendRaw(edge.url, bytes), status, name);
  }
  const bomb = gzipSync(Buffer.alloc(50 * 2 ** 20));
  const packed = await edge.call("/v1/auth/login", {
    method: "POST",
    body: bomb,
    headers: { "content-type": "application/json", "content-encoding": "gzip" },
  });
  expect(await problemOf(packed)).toEqual([415, "unsupported_media_type"]);
  expect(edge.reached()).toBe(before);
});

test("what is well-formed is passed on byte for byte, however oddly it is written", async () => {
  for (const body of [
    '{ "identifier":"a\\u0062c" ,\n "password":"  <script>\\n\\u0000 or 1=1 -- " }',
    '{"identifier":"Ünïcode ✓ 漢字"}',
    '{"a":1.0e+2,"b":-0}',
    "[]",
  ]) {
    const answer = await edge.call("/v1/auth/login", { method: "POST", body });
    expect(answer.status, body).toBe(200);
  }
  const patient = '{"givenName" : "O\'Brien\\u0020; DROP TABLE","familyName":"<b>"}';
  const chunked = new ReadableStream({
    start(controller) {
      for (const byte of Buffer.from(patient)) controller.enqueue(Buffer.from([byte]));
      controller.close();
    },
  });
  const sent = { method: "POST", as: doctor, headers: { "content-type": "application/json; charset=UTF-8" } };
  const answer = await edge.call("/v1/patients", { ...sent, body: chunked, duplex: "half" } as RequestInit);
  expect(answer.status).toBe(200);
  expect(edge.services.records.seen.at(-1)?.body).toBe(patient);
});

test("a query that says something twice, or what the route does not know, is refused; once admitted", async () => {
  const code = async (path: string, as?: Person) => problemOf(await edge.call(path, as ? { as } : {}));
  expect(await code("/v1/prescriptions?from=2026-01-01&from=2020-01-01", doctor)).toEqual([
    400,
    "invalid_input",
  ]);
  expect(await code("/v1/prescriptions?__proto__[x]=1", doctor)).toEqual([400, "invalid_input"]);
  const id = "018f4c1e-7a2b-7c3d-8e4f-0123456789ab";
  expect(await code(`/v1/records/${id}?verbose=1`, doctor)).toEqual([400, "invalid_input"]);
  expect(await code(`/v1/records/${id}?verbose=1`)).toEqual([401, "unauthenticated"]);
  expect((await edge.call(`/v1/patients/${id}?unmask=phone`, { as: doctor })).status).toBe(200);
});

test("unfinished bodies hold 64 MiB together and no more; the next is refused and may come again", async () => {
  const { hostname, port } = new URL(edge.url);
  const almost = `{"a":"${"a".repeat(2 ** 20 - 7)}`;
  const statuses: string[] = [];
  const sockets = Array.from({ length: 72 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => undefined);
    socket.once("data", (chunk) => statuses.push(String(chunk).slice(9, 12)));
    socket.write(`POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`);
    socket.write(`Content-Length: ${2 ** 20}\r\n\r\n${almost}`);
    return socket;
  });
  await vi.waitFor(() => expect(statuses.length).toBeGreaterThanOrEqual(72 - 65), 15_000);
  expect(new Set(statuses)).toEqual(new Set(["503"]));
  for (const socket of sockets) socket.destroy();
  await vi.waitFor(async () => {
    const answer = await edge.call("/v1/auth/login", { method: "POST", body: "{}" });
    expect(answer.status).toBe(200);
  }, 10_000);
}, 60_000);
