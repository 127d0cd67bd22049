import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Request } from "express";
import { expect, test } from "vitest";
import { routeDocuments } from "../routing/route-docs.ts";
import { fieldPlan } from "../screening/field-plan.ts";
import { screenBody } from "../screening/screen.ts";
import { publicRoutes } from "../system/openapi.ts";
import { checkHeaders } from "./headers.ts";
import { inspector } from "./inspect.ts";
import { checkShape, MAX_DEPTH, MAX_ITEMS } from "./json-shape.ts";
import { queryNames, queryPairs, refuseUnknownNames } from "./query.ts";

const invalid = expect.objectContaining({ code: "invalid_input" });

test("JSON: depth, items, names twice and names that reach into prototypes", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  const items = (count: number) => `[${"0,".repeat(count - 1)}0]`;
  const sound = [
    nested(MAX_DEPTH),
    `${'{"a":'.repeat(MAX_DEPTH)}1${"}".repeat(MAX_DEPTH)}`,
    items(MAX_ITEMS),
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}',
    '{"a":"{\\"a\\":1,\\"a\\":2}","b":"__proto__"}',
    '{"a":"\\\\","b":"\\\\\\"","c":"[[[["}',
    '["__proto__","constructor"]',
    '{"constructors":1,"proto":2,"my__proto__":3}',
    '{"":1}',
    "{}",
    "1",
    "",
  ];
  for (const text of sound) expect(() => checkShape(text), text.slice(0, 60)).not.toThrow();
  const refused = [
    nested(MAX_DEPTH + 1),
    nested(500_000),
    `[{"a":${nested(MAX_DEPTH - 1)}}]`,
    items(MAX_ITEMS + 1),
    `{${Array.from({ length: MAX_ITEMS + 1 }, (_, i) => `"k${i}":1`).join(",")}}`,
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '{"a":{"b":1,"b":1}}',
    '[{"x":1},{"a":1,"b":[{}],"a":2}]',
    '{"__proto__":{"admin":true}}',
    '{"__pr\\u006fto__":1}',
    '{"a":[{"constructor":{"prototype":{}}}]}',
    '{"constructor.prototype.x":1}',
    '{"prototype":1}',
    '{"a[__proto__]":1}',
  ];
  for (const text of refused) expect(() => checkShape(text), text.slice(0, 60)).toThrow(invalid);
});

test("JSON: a mebibyte of anything is one pass", () => {
  const worst = ['"\\', "{", "[", '"', "\\", '{"', ",", '{"a":1},', '"\\"", ', '{"a":"'];
  for (const atom of worst) {
    const text = atom.repeat(Math.ceil(2 ** 20 / atom.length));
    const before = process.cpuUsage();
    try {
      checkShape(text);
    } catch (error) {
      expect(error, atom).toEqual(invalid);
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000, atom).toBeLessThan(250);
  }
});

test("queries: names come once and reach into no prototype", () => {
  expect(queryPairs("")).toEqual([]);
  expect(queryPairs("?")).toEqual([]);
  expect(queryPairs("?a=1&b=x+y%2B&&c&d==")).toEqual([
    ["a", "1"],
    ["b", "x y+"],
    ["c", ""],
    ["d", "="],
  ]);
  for (const query of [
    "?a=1&a=2",
    "?a&a",
    "?a=1&%61=2",
    "?__proto__=1",
    "?__proto__[x]=1",
    "?constructor.prototype.x=1",
    "?a[__proto__]=1",
    "?%5f_proto__=1",
    `?${Array.from({ length: 101 }, (_, i) => `k${i}=1`).join("&")}`,
  ])
    expect(() => queryPairs(query), query.slice(0, 40)).toThrow(invalid);
});

test("queries: a name that a route does not know is refused, and named", () => {
  const route = publicRoutes.find(({ path, method }) => path === "/v1/prescriptions" && /get/i.test(method));
  const names = queryNames(route as NonNullable<typeof route>);
  expect([...names].sort()).toEqual(["cursor", "from", "limit", "patientId", "status", "to"]);
  expect(() => refuseUnknownNames([["from", "2026-01-01"]], names)).not.toThrow();
  expect(() => refuseUnknownNames([["form", "2026-01-01"]], names)).toThrow(
    expect.objectContaining({ errors: [{ path: "form", message: "is not a known field" }] }),
  );
});

test("headers that may come once come once, Host is a host, Connection names nothing else, none asks for another request", () => {
  const everyday = ["Host", "clinic.example:8080", "Connection", "keep-alive, Upgrade"];
  expect(() => checkHeaders([...everyday, "Accept", "a", "Accept", "b"])).not.toThrow();
  expect(() => checkHeaders(["host", "[::1]:80"])).not.toThrow();
  expect(() => checkHeaders(["Host", "x", "Range", "bytes=0-1, 2-3", "Connection", "close"])).not.toThrow();
  for (const headers of [
    [] as string[],
    ["Accept", "a"],
    ["Host", "a", "host", "b"],
    ["Host", "a/b"],
    ["Host", "a b"],
    ["Host", "a@b"],
    ["Host", ""],
    ["Host", "a:99999999"],
    ["Host", "x", "Authorization", "Bearer a", "authorization", "Bearer b"],
    ["Host", "x", "Content-Type", "application/json", "Content-Type", "text/html"],
    ["Host", "x", "X-Request-Id", "a", "X-Request-Id", "b"],
    ["Host", "x", "Connection", "close, X-Purpose"],
    ["Host", "x", "Connection", "authorization"],
    ["Host", "x", "Connection", "keep-alive, close"],
    ["Host", "x", "Request-Range", "bytes=0-1"],
    ["Host", "x", "content-range", "bytes 0-1/2"],
    ["Host", "x", "X-HTTP-Method-Override", "DELETE"],
    ["Host", "x", "X-Original-URL", "/admin"],
    ["Host", "x", "Range", "bytes=0-1,2-3,4-5,6-7,8-9,10-11"],
    ["Host", "x", "Transfer-Encoding", "gzip, chunked"],
    ["Host", "x", "Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"],
  ])
    expect(() => checkHeaders(headers), headers.join(" ")).toThrow(invalid);
});

const EVERYDAY: Readonly<Record<string, string>> = {
  limit: "20",
  cursor: "eyJhdCI6IjIwMjYtMDEtMDJUMDM6MDQ6MDUuNjc4WiIsImlkIjoiMSJ9--__",
  unmask: "nationalId,phone",
  from: "2026-01-02T03:04:05.678Z",
  to: "2026-02-03",
  ip: "2001:db8:face::d",
  type: "medvault.records.prescription.read.v1",
  subject: "prescription/018f4c1e-7a2b-7c3d-8e4f-0123456789ab",
  attachedTo: "prescription/018f4c1e-7a2b-7c3d-8e4f-0123456789ab",
};

test("every documented path, query and example passes", () => {
  const id = "018f4c1e-7a2b-7c3d-8e4f-0123456789ab";
  const find = routeDocuments(publicRoutes);
  const inspect = inspector(find);
  const paths = ["/v1/audit/tile/0/x001/234.p/5", "/v1/audit/tile/entries/x001/x234/067"];
  for (const route of publicRoutes) {
    const path = route.path.replaceAll(/\{[A-Za-z]+\}/g, id);
    const query = [...queryNames(route)]
      .map((name) => `${name}=${encodeURIComponent(EVERYDAY[name] ?? id)}`)
      .join("&");
    paths.push(query ? `${path}?${query}` : path);
    expect(find(route.method.toUpperCase(), path), path).toBe(route);
    expect(() => screenBody(route.example, fieldPlan(route)), path).not.toThrow();
  }
  for (const url of paths) {
    const req = new IncomingMessage(new Socket()) as Request;
    Object.assign(req, { method: "GET", url, rawHeaders: ["Host", "localhost:8080"] });
    expect(() => inspect(req).refuseUnknownQuery(), url).not.toThrow();
  }
});
