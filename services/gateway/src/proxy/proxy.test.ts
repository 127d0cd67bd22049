import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { ask, givenGateway, problemOf } from "../../test/harness.ts";
import { sendRaw } from "../../test/raw-http.ts";

const MIB = 1024 * 1024;
const edge = await givenGateway({ MEDVAULT_MAX_UPLOAD_BYTES: String(MIB) });
const doctor = await edge.signIn("doctor");
afterEach(() => {
  edge.services.records.handler = null;
});

test("each path goes to its service, whole, with an assertion for it alone (files: also for records)", async () => {
  const cases = [
    ["/v1/users?limit=2", "auth"],
    ["/v1/roles", "auth"],
    ["/v1/sessions", "auth"],
    ["/v1/patients/x?unmask=phone", "records"],
    ["/v1/prescriptions", "records"],
    ["/v1/claims", "records"],
    ["/v1/fhir/Patient/1/$everything", "records"],
    ["/v1/files/1/content", "files"],
    ["/v1/audit/tile/0/001", "audit"],
    ["/v1/backups", "backup"],
  ] as const;
  for (const [path, name] of cases) {
    expect(await (await edge.call(path, { as: doctor })).json(), path).toEqual({ service: name });
    const seen = edge.services[name].seen.at(-1);
    expect(seen?.url).toBe(path);
    const [, payload = ""] = String(seen?.headers["x-medvault-assertion"]).split(".");
    const { aud } = JSON.parse(Buffer.from(payload, "base64url").toString());
    // Beside them auth may be asked how people are called, and nothing else.
    const services = aud.filter((one: string) => one !== "auth/people");
    expect(services, path).toEqual(name === "files" ? ["files", "records"] : [name]);
  }
});

test("links in FHIR answers lead to where the client found the gateway, whatever the client says of itself", async () => {
  const path = "/v1/fhir/Patient/1/$everything";
  await edge.call(path, { as: doctor, headers: { "x-medvault-base": "https://elsewhere.example" } });
  expect(edge.services.records.seen.at(-1)?.headers["x-medvault-base"]).toBe(new URL(edge.url).origin);
  await edge.call("/v1/patients", {
    as: doctor,
    headers: { "x-medvault-base": "https://elsewhere.example" },
  });
  expect(edge.services.records.seen.at(-1)?.headers).not.toHaveProperty("x-medvault-base");
});

test("a device token reaches auth, and no other service", async () => {
  const headers = { "x-device-token": "d".repeat(43) };
  await edge.call("/v1/auth/login", { method: "POST", headers });
  await edge.call("/v1/patients", { as: doctor, headers });
  expect(edge.services.auth.seen.at(-1)?.headers).toMatchObject(headers);
  expect(edge.services.records.seen.at(-1)?.headers).not.toHaveProperty("x-device-token");
  const cookie = { cookie: `a=b; __Host-medvault-device=${"c".repeat(43)}` };
  await edge.call("/v1/auth/login", { method: "POST", headers: cookie });
  expect(edge.services.auth.seen.at(-1)?.headers).toMatchObject({ "x-device-token": "c".repeat(43) });
  expect(edge.services.auth.seen.at(-1)?.headers).not.toHaveProperty("cookie");
});

test("unknown paths and internal routes are 404 problems, with a session or without", async () => {
  const cases: [string, string][] = [
    ["GET", "/v1"],
    ["GET", "/v1/nothing"],
    ["GET", "/v1/patientsX"],
    ["GET", "/internal/sessions/1"],
    ["GET", "/metrics"],
    ["GET", "/docs/assets"], // nothing is served from a folder
    ["GET", "/services/"],
  ];
  for (const [method, path] of cases) {
    for (const as of [undefined, doctor]) {
      const answer = await edge.call(path, { method, ...(as ? { as } : {}) });
      expect(await problemOf(answer), `${method} ${path}`).toEqual([404, "not_found"]);
      expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    }
  }
});

test("only listed headers go in: credentials, cookies, identity and forwarding headers are dropped", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await edge.call("/v1/patients", {
    method: "POST",
    as: doctor,
    body: '{"a":1}',
    headers: {
      "content-type": "application/json",
      "idempotency-key": "key-1",
      "if-match": '"3"',
      "x-purpose": "TREAT",
      "x-request-id": "req-1",
      traceparent,
      cookie: "a=b",
      "x-medvault-assertion": "forged",
      "x-user-id": "evil",
      "x-user-role": "admin",
      "x-remote-user": "evil",
      "x-medvault-role": "admin",
      "x-forwarded-user": "evil",
      "x-forwarded-for": "198.51.100.1",
      forwarded: "for=198.51.100.1",
      "x-real-ip": "198.51.100.1",
      "x-anything": "else",
    },
  });
  const seen = edge.services.records.seen.at(-1);
  expect(seen?.body).toBe('{"a":1}');
  expect(seen?.claims?.ip).toBe("127.0.0.1");
  const { host, connection, "x-medvault-assertion": assertion, accept, ...rest } = seen?.headers ?? {};
  expect(assertion).not.toBe("forged");
  expect(rest).toEqual({
    "content-type": "application/json",
    "content-length": "7",
    "idempotency-key": "key-1",
    "if-match": '"3"',
    "x-purpose": "TREAT",
    "x-request-id": "req-1",
    traceparent,
  });
});

test("only listed headers come out, the gateway's own stand over the service's, and nothing is kept with a session", async () => {
  edge.services.records.handler = (_req, res) =>
    void res
      .writeHead(200, {
        "content-type": "application/json",
        etag: '"3"',
        "cache-control": "public, max-age=600",
        "content-security-policy": "default-src *",
        server: "inside/1.0",
        "x-powered-by": "inside",
        "set-cookie": "a=b",
        "x-medvault-assertion": "leak",
        "x-internal": "leak",
        "access-control-allow-origin": "*",
      })
      .end("{}");
  const { headers } = await edge.call("/v1/patients/1", { as: doctor });
  expect(headers.get("etag")).toBe('"3"');
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(headers.get("x-request-id")).toBeTruthy();
  for (const name of [
    "server",
    "x-powered-by",
    "set-cookie",
    "x-medvault-assertion",
    "x-internal",
    "access-control-allow-origin",
  ]) {
    expect(headers.has(name), name).toBe(false);
  }
});

test("every answer has the security headers, also 401, 404, 413 and 429", async () => {
  for (const answer of [
    await edge.call("/v1/patients"),
    await edge.call("/nothing"),
    await edge.call("/docs"),
    await edge.call("/v1/patients", { method: "POST", as: doctor, body: "x".repeat(MIB + 1) }),
  ]) {
    const { headers } = answer;
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-xss-protection")).toBe("0");
    expect(headers.get("referrer-policy")).toBe("strict-origin-when-cross-origin");
    expect(headers.get("strict-transport-security")).toBe("max-age=31536000; includeSubDomains");
    expect(headers.get("permissions-policy")).toBeTruthy();
    for (const directive of ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"])
      expect(headers.get("content-security-policy")).toContain(directive);
    expect(headers.get("cache-control")).toMatch(/no-store|no-cache/);
    expect(headers.get("x-request-id")).toBeTruthy();
  }
});

test("targets that two parsers could read differently are 400, and reach no service", async () => {
  const targets = [
    "//v1/patients",
    "/v1/files/../users",
    "/v1/files/%2e%2e/users",
    "/v1/files%2f..%2fusers",
    "/v1/files/..%5cusers",
    "/v1/patients/%00",
    "/v1/patients/%zz",
    "/v1/patients\\x",
    "/v1/patients?q=%00",
    "/v1/patients?q=a%0d%0aX-A:%20b",
    "/v1/patients?q=%7F",
    "/v1/patients?q=%ff",
    "http://elsewhere/v1/patients",
  ];
  for (const target of targets) {
    const before = edge.services.records.seen.length;
    const [res] = await once(ask(edge.url, target, doctor).end(), "response");
    expect(res.resume().statusCode, target).toBe(400);
    expect(edge.services.records.seen.length, target).toBe(before);
  }
});

test("conflicting lengths, folded headers and the like are 400 from the parser itself", async () => {
  const start = `POST /v1/auth/login HTTP/1.1\r\nHost: x\r\n`;
  const attacks = {
    "CL and TE": `${start}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "two CL": `${start}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`,
    "CL not a number": `${start}Content-Length: +4\r\n\r\nabcd`,
    "TE twice": `${start}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
    "space before colon": `${start}Content-Length : 4\r\n\r\nabcd`,
    "folded header": `${start}X-A: b\r\n folded\r\nContent-Length : 0\r\n\r\n`,
    "NUL in a header": `${start}X-A: b\0c\r\n\r\n`,
    "no host": "GET /docs HTTP/1.1\r\n\r\n",
  };
  for (const [name, attack] of Object.entries(attacks)) {
    expect((await sendRaw(edge.url, attack)).status, name).toBe(400);
  }
});

test("a body beyond its route's limit is 413, whether declared or counted, and the service sees no whole one", async () => {
  const before = edge.services.records.seen.length;
  const declared = await edge.call("/v1/patients", { method: "POST", as: doctor, body: "x".repeat(MIB + 1) });
  expect(await problemOf(declared)).toEqual([413, "too_large"]);
  const counted = await edge.call("/v1/patients", {
    method: "POST",
    as: doctor,
    headers: { "content-type": "application/json" },
    body: new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new Uint8Array(100_000));
        controller.close();
      },
    }),
    duplex: "half",
  } as RequestInit);
  expect(await problemOf(counted)).toEqual([413, "too_large"]);
  expect(edge.services.records.seen.length).toBe(before);
  const bundle = await edge.call("/v1/fhir", { method: "POST", as: doctor, body: "x".repeat(15 * MIB) });
  expect(bundle.status).toBe(200);
  const upload = await edge.call("/v1/files", { method: "POST", as: doctor, body: "x".repeat(10 * MIB) });
  expect(upload.status).toBe(200);
  expect(
    (await edge.call("/v1/files", { method: "POST", as: doctor, body: "x".repeat(12 * MIB) })).status,
  ).toBe(413);
});

test("a compressed body is 415 on every kind of route, and the answer says what to do instead", async () => {
  const codings = {
    "/v1/auth/login": ["gzip"],
    "/v1/patients": ["gzip", "br", "deflate", "zstd", "identity, gzip"],
    "/v1/fhir": ["gzip"],
    "/v1/files": ["gzip"],
  };
  for (const [path, some] of Object.entries(codings)) {
    for (const coding of some) {
      const answer = await edge.call(path, {
        method: "POST",
        as: doctor,
        body: "{}",
        headers: { "content-encoding": coding },
      });
      expect(await answer.json(), `${path} ${coding}`).toMatchObject({
        status: 415,
        code: "unsupported_media_type",
        detail: expect.stringContaining("without a Content-Encoding header"),
      });
    }
  }
});

test("a body where none belongs is 400", async () => {
  const req = ask(edge.url, "/v1/patients", doctor, { headers: { "content-length": 2 } }).end("{}");
  const [res] = await once(req, "response");
  expect(res.resume().statusCode).toBe(400);
});

test("answers without a body pass: HEAD, 204 and 304", async () => {
  edge.services.records.handler = (req, res) => {
    if (req.method === "DELETE") return void res.writeHead(204).end();
    if (req.headers["if-none-match"]) return void res.writeHead(304, { etag: '"1"' }).end();
    res.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}");
  };
  const head = await edge.call("/v1/patients/1", { method: "HEAD", as: doctor });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "2", ""]);
  expect((await edge.call("/v1/patients/1", { method: "DELETE", as: doctor })).status).toBe(204);
  const same = await edge.call("/v1/patients/1", { as: doctor, headers: { "if-none-match": '"1"' } });
  expect([same.status, same.headers.get("etag")]).toEqual([304, '"1"']);
});
