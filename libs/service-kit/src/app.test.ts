import { NotFound, Unavailable } from "@medvault/contracts";
import { listening } from "@medvault/testing";
import type { Express } from "express";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { bare, doc, fieldOf, type Harness, startService } from "../test/harness.ts";
import { adminAppOf } from "./app.ts";
import { lifecycleOf } from "./lifecycle.ts";
import { metricsOf } from "./metrics.ts";
import { route } from "./route.ts";
import { etagOf, ifMatch, parse } from "./validation.ts";

const SECRET = "s3cr3t-mark";
const Body = z.strictObject({ name: z.string().max(5), count: z.number().optional() });

/** A route whose handler fails so. */
const failing = (path: string, error: () => Error) =>
  bare("GET", path, () => {
    throw error();
  });

let service: Harness;
/** What `/v1/full` throws. */
let fault = new Error();
let evidenceFails: Error | null = null;
const recorded: string[] = [];
beforeAll(async () => {
  service = await startService(
    [
      bare("POST", "/v1/things", (req, res) => void res.status(201).json(parse(Body, req.body))),
      route({ ...doc("POST", "/v1/schema"), request: Body, response: Body }, async ({ body }) => ({ body })),
      route(doc("PUT", "/v1/bodiless"), async () => ({})),
      route({ ...doc("GET", "/v1/unfit"), response: Body }, async () => ({ body: { name: SECRET } })),
      bare("POST", "/v1/stream", async (req, res) => {
        let bytes = 0;
        for await (const chunk of req) bytes += (chunk as Buffer).length;
        res.json({ bytes });
      }),
      bare("PUT", "/v1/things/{name}", (req, res) => {
        const rev = ifMatch(req);
        res.setHeader("ETag", etagOf((rev ?? 0) + 1)).json({ rev });
      }),
      failing("/v1/missing", () => new NotFound()),
      failing("/v1/fault", () => new Error(`select * from patients where name = '${SECRET}'`)),
      failing("/v1/away", () => Object.assign(new Error(SECRET), { name: "DatabaseUnavailable" })),
      failing("/v1/full", () => fault),
      failing("/v1/busy", () => new Unavailable(undefined, 7)),
      failing("/v1/reused", () =>
        Object.assign(new Error("used before"), {
          code: "idempotency_key_reused",
          kind: "unprocessable",
        }),
      ),
      failing("/v1/forged", () =>
        Object.assign(new Error("the box does not open"), { code: "box_forged", kind: "internal" }),
      ),
      bare("GET", "/v1/torn", (_req, res) => {
        res.write("half of it");
        throw new Error("too late");
      }),
    ],
    {
      jsonLimitBytes: (req) => (req.path === "/v1/schema" ? 4096 : 1024),
      onRefusal: async (_req, _actor, error) => {
        if (evidenceFails) throw evidenceFails;
        await new Promise((resolve) => setImmediate(resolve));
        recorded.push(error.code);
      },
      readiness: async () => ({ postgres: "ok", rabbitmq: "degraded" }),
    },
  );
});
afterAll(() => service.close());

const post = (path: string, body: string, type = "application/json") =>
  service.call(path, { method: "POST", body, headers: { "content-type": type } });

test("a problem has all that RFC 9457 and openapi.json name, and nothing internal", async () => {
  const answer = await service.call(`/v1/missing?q=${SECRET}`, { headers: { "x-request-id": "abc-123" } });
  expect(answer.status).toBe(404);
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  expect(await answer.json()).toEqual({
    type: "urn:medvault:problem:not_found",
    title: "Not Found",
    status: 404,
    detail: "Not found, or not visible to you.",
    instance: "/v1/missing",
    code: "not_found",
    requestId: "abc-123",
  });
  expect(recorded.at(-1)).toBe("not_found");
});

test("an unknown path is a problem too, and leaves no evidence behind", async () => {
  const before = recorded.length;
  const answer = await service.call("/v1/nothing");
  expect([answer.status, await fieldOf(answer, "code")]).toEqual([404, "not_found"]);
  expect((await service.call("/v1/%E0%A4%A")).status).toBeGreaterThanOrEqual(400);
  expect(recorded.length).toBe(before);
});

test("the gateway is told of each refusal whether its event is written, and else the code", async () => {
  const told = async (path: string) => (await service.call(path)).headers.get("x-medvault-record");
  expect(await told("/v1/missing")).toBe("recorded");
  expect(await told("/v1/busy")).toBe("unavailable");
  expect((await post("/v1/things", "{}")).headers.get("x-medvault-record")).toBe("invalid_input");
  expect((await post("/v1/things", "{")).headers.get("x-medvault-record")).toBe("invalid_input");
  expect(await told("/v1/nothing")).toBe("not_found");
  evidenceFails = new Error("the database is away");
  try {
    expect(await told("/v1/missing")).toBe("unavailable");
  } finally {
    evidenceFails = null;
  }
});

test("a request id is kept when well-formed, and made when not", async () => {
  for (const bad of ["", "a b", "x".repeat(129), "<script>", "-dash"]) {
    const answer = await service.call("/healthz", { as: null, headers: { "x-request-id": bad } });
    expect(answer.headers.get("x-request-id"), bad).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  }
  const kept = await service.call("/healthz", { as: null, headers: { "x-request-id": "Ab.c_1-2" } });
  expect(kept.headers.get("x-request-id")).toBe("Ab.c_1-2");
});

test("bodies: malformed, of another type, compressed, too large, not an object, absent", async () => {
  const cases: [string, Response, number, string][] = [
    ["malformed", await post("/v1/things", '{"name": '), 400, "invalid_input"],
    ["scalar", await post("/v1/things", '"text"'), 400, "invalid_input"],
    [
      "text",
      await post("/v1/things", "name=x", "application/x-www-form-urlencoded"),
      415,
      "unsupported_media_type",
    ],
    ["no type", await post("/v1/things", "{}", ""), 415, "unsupported_media_type"],
    [
      "charset",
      await post("/v1/things", "{}", "application/json; charset=klingon"),
      415,
      "unsupported_media_type",
    ],
    ["large", await post("/v1/things", JSON.stringify({ name: "x".repeat(2000) })), 413, "too_large"],
    ["absent", await service.call("/v1/things", { method: "POST" }), 400, "invalid_input"],
    [
      "compressed",
      await service.call("/v1/things", {
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json", "content-encoding": "gzip" },
      }),
      415,
      "unsupported_media_type",
    ],
  ];
  for (const [name, answer, status, code] of cases) {
    expect([answer.status, await fieldOf(answer, "code")], name).toEqual([status, code]);
  }
  expect((await post("/v1/things", '{"name":"abc"}')).status).toBe(201);
  expect((await post("/v1/things", '{"name":"abc"}', "application/fhir+json; charset=utf-8")).status).toBe(
    201,
  );
});

test("threat: a body that no route's document describes is ignored: its fields are unknown ones, 400", async () => {
  const put = (body?: string, type = "application/json") =>
    service.call("/v1/bodiless", {
      method: "PUT",
      ...(body !== undefined && { body }),
      headers: { "content-type": type },
    });
  for (const body of [undefined, "{}"]) expect((await put(body)).status).toBe(204);
  const refused = await put(`{"role":"${SECRET}","since":1}`);
  expect(refused.status).toBe(400);
  const problem = (await refused.json()) as { code: string; errors: { path: string }[] };
  expect(problem).toMatchObject({ code: "invalid_input", errors: [{ path: "role" }, { path: "since" }] });
  expect(JSON.stringify(problem)).not.toContain(SECRET);
  expect((await put("[]")).status).toBe(400);
  expect((await put("role=admin", "application/x-www-form-urlencoded")).status).toBe(415);
});

test("a body nested deeper than anything needs is 400, whatever would walk it", async () => {
  const nested = (depth: number) => `${'{"name":'.repeat(depth)}1${"}".repeat(depth)}`;
  for (const depth of [65, 400]) {
    expect(await fieldOf(await post("/v1/schema", nested(depth)), "errors")).toMatchObject([
      { message: "is nested deeper than 64" },
    ]);
  }
});

test("a limit can differ by path", async () => {
  expect((await post("/v1/schema", JSON.stringify({ name: "x".repeat(2000) }))).status).toBe(400);
});

test("a route that streams gets any type unread", async () => {
  const answer = await post("/v1/stream", "x".repeat(5000), "multipart/form-data; boundary=b");
  expect(await answer.json()).toEqual({ bytes: 5000 });
});

test("every fault of an input is named by path, no value is repeated, unknown fields are refused", async () => {
  for (const path of ["/v1/things", "/v1/schema"]) {
    const answer = await post(path, JSON.stringify({ name: SECRET, count: SECRET, role: SECRET }));
    const text = await answer.text();
    expect(answer.status).toBe(400);
    expect(text).not.toContain(SECRET);
    const paths = JSON.parse(text).errors.map((fault: { path: string }) => fault.path);
    expect(paths.sort()).toEqual(["count", "name", "role"]);
  }
});

test("an unexpected fault is 500 with nothing inside, and is logged without what it quotes", async () => {
  const answer = await service.call("/v1/fault", { headers: { "x-request-id": "fault-1" } });
  const text = await answer.text();
  expect(answer.status).toBe(500);
  expect(JSON.parse(text)).toMatchObject({ code: "internal_error", requestId: "fault-1" });
  expect(text + service.log.text()).not.toContain(SECRET);
  expect(
    service.log.entries().find((line) => line.requestId === "fault-1" && line.level === "error"),
  ).toBeDefined();
});

test("what a library found damaged is named in the evidence, and is only a 500 to the caller", async () => {
  const answer = await service.call("/v1/forged");
  const text = await answer.text();
  expect([answer.status, JSON.parse(text).code]).toEqual([500, "internal_error"]);
  expect(text).not.toContain("box");
  expect(recorded.at(-1)).toBe("box_forged");
});

test("what is away is 503 with Retry-After, by class or by name; foreign refusals map by code and kind", async () => {
  const away = await service.call("/v1/away");
  expect([away.status, away.headers.get("retry-after"), await fieldOf(away, "code")]).toEqual([
    503,
    "2",
    "unavailable",
  ]);
  expect((await service.call("/v1/busy")).headers.get("retry-after")).toBe("7");
  const reused = await service.call("/v1/reused");
  expect([reused.status, await fieldOf(reused, "code")]).toEqual([422, "idempotency_key_reused"]);
});

test.each<[string, { [field: string]: string }]>([
  ["ENOSPC", { code: "ENOSPC", syscall: "write" }],
  ["EDQUOT", { code: "EDQUOT", syscall: "write" }],
  ["EROFS", { code: "EROFS", syscall: "open" }],
  ["EIO", { code: "EIO", syscall: "fsync" }],
  ["53100", { code: "53100", severity: "ERROR" }],
  ["the database is away for that", { name: "DatabaseUnavailable", cause: "53100" }],
  ["Redis' disk", { name: "ReplyError", message: "MISCONF Errors writing to the AOF file" }],
  [
    "Redis' memory",
    { name: "ReplyError", message: "OOM command not allowed when used memory > 'maxmemory'." },
  ],
])("a full store (%s) is 503 storage_full with Retry-After, never 500", async (_name, fields) => {
  fault = Object.assign(new Error("no space"), fields, {
    cause: fields.cause && Object.assign(new Error(), { code: fields.cause }),
  });
  const answer = await service.call("/v1/full");
  expect([answer.status, answer.headers.get("retry-after"), await fieldOf(answer, "code")]).toEqual([
    503,
    "10",
    "storage_full",
  ]);
});

test("a disk that cannot read what is there is no full one", async () => {
  fault = Object.assign(new Error("i/o error"), { code: "EIO", syscall: "read" });
  expect((await service.call("/v1/full")).status).toBe(500);
});

test("a refusal whose evidence finds the disk full is 503 storage_full", async () => {
  evidenceFails = Object.assign(new Error(SECRET), { code: "53100" });
  try {
    const answer = await service.call("/v1/missing");
    expect([answer.status, await fieldOf(answer, "code")]).toEqual([503, "storage_full"]);
  } finally {
    evidenceFails = null;
  }
});

test("a refusal whose evidence cannot be written is 503, not the refusal", async () => {
  evidenceFails = new Error("the database is away");
  try {
    const answer = await service.call("/v1/missing");
    expect([answer.status, await fieldOf(answer, "code")]).toEqual([503, "unavailable"]);
  } finally {
    evidenceFails = null;
  }
});

test("a fault in the middle of an answer cuts the connection, so that half is not taken for whole", async () => {
  await expect(service.call("/v1/torn").then((answer) => answer.text())).rejects.toThrow();
});

test("every answer to anyone but the gateway carries the security headers, and may not be kept", async () => {
  for (const answer of [
    await service.call("/v1/things", { as: null }),
    await service.call("/v1/things", { as: null, headers: { "x-medvault-assertion": "forged" } }),
    await service.call("/healthz", { as: null }),
  ]) {
    const { headers } = answer;
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("strict-origin-when-cross-origin");
    expect(headers.get("strict-transport-security")).toMatch(/max-age=\d{8}/);
    expect(headers.get("permissions-policy")).toContain("camera=()");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.has("x-powered-by")).toBe(false);
  }
});

test("an answer to the gateway, which puts its own headers on each, carries no more than it needs", async () => {
  for (const path of ["/v1/missing", "/v1/nothing"]) {
    const { headers } = await service.call(path);
    expect([...headers.keys()].sort()).toEqual([
      "cache-control",
      "connection",
      "content-length",
      "content-type",
      "date",
      "keep-alive",
      "x-content-type-options",
      "x-medvault-record",
      "x-request-id",
    ]);
    expect(headers.get("cache-control")).toBe("no-store");
  }
});

test("If-Match takes the ETags that were given, and no other", async () => {
  const put = (tag: string) => service.call("/v1/things/1", { method: "PUT", headers: { "if-match": tag } });
  const good = await put('"7"');
  expect([await good.json(), good.headers.get("etag")]).toEqual([{ rev: 7 }, '"8"']);
  expect(await (await put("*")).json()).toEqual({ rev: null });
  // Good tags that no resource has: the comparison fails with 412, where there is a resource.
  for (const other of ['W/"7"', '"x"', '"0"']) expect(await (await put(other)).json()).toEqual({ rev: 0 });
  for (const bad of ["7", '"7", "8"', 'w/"7"']) expect((await put(bad)).status, bad).toBe(400);
});

test("readiness says ok, degraded or draining; metrics are on the admin port only", async () => {
  const ready = await service.call("/readyz", { as: null });
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: "degraded", checks: { postgres: "ok", rabbitmq: "degraded" } },
  ]);
  expect((await service.call("/metrics")).status).toBe(404);
  const { url, close } = await listening(adminAppOf(service.app) as Express);
  expect(await (await fetch(`${url}/metrics`)).text()).toContain('route="/v1/things"');
  lifecycleOf(service.app).drain();
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  const draining = await service.call("/readyz", { as: null });
  expect([draining.status, await fieldOf(draining, "status")]).toEqual([503, "draining"]);
  await close();
});

test("an answer that breaks its own schema is our fault: 500, logged by path and counted, with no value of it", async () => {
  const answer = await service.call("/v1/unfit");
  expect([answer.status, await fieldOf(answer, "code")]).toEqual([500, "internal_error"]);
  expect(recorded.at(-1)).toBe("internal_error");
  const line = service.log.entries().findLast((entry) => entry.msg === "request failed");
  expect(JSON.stringify(line)).toContain("unfit at name");
  expect(service.log.text()).not.toContain(SECRET);
  const metrics = await metricsOf(service.app).metrics();
  expect(metrics).toContain('answers_unfit_total{route="GET /v1/unfit"} 1');
});
