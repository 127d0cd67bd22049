import { openApiDocument, type RouteDoc, tagOf } from "@medvault/contracts";
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { createRouteTable, PUBLIC } from "../routing/route-table.ts";
import { openApiJson, publicRoutes } from "./openapi.ts";

type Operation = {
  operationId: string;
  tags: string[];
  responses: Record<string, unknown>;
  parameters: unknown[];
};
const document = JSON.parse(openApiJson()) as {
  openapi: string;
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.values(document.paths).flatMap((item) => Object.values(item));

test("the document is valid by the schema of OpenAPI 3.1, and refers to nothing that it lacks", async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  expect(errors).toBeUndefined();
  expect([valid, validator.version]).toEqual([true, "3.1"]);
  for (const [, pointer = ""] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    let node: unknown = document;
    for (const key of pointer.split("/")) node = (node as Record<string, unknown> | undefined)?.[key];
    expect(node, pointer).toBeDefined();
  }
});

test("every route is in it once, with an id of its own and an explained tag", () => {
  expect(operations).toHaveLength(publicRoutes.length);
  expect(new Set(operations.map((operation) => operation.operationId)).size).toBe(operations.length);
  const tags = [...new Set(publicRoutes.map((route) => tagOf(route.path)))];
  expect(document.tags.map((tag) => tag.name).sort()).toEqual(tags.sort());
});

test("every operation names the statuses that it may answer, and the headers that it reads", () => {
  const search = document.paths["/v1/patients/search"]?.post;
  expect(Object.keys(search?.responses ?? {})).toEqual(
    "200 400 401 403 408 413 414 415 429 500 502 503 504".split(" "),
  );
  const replace = document.paths["/v1/prescriptions/{id}"]?.put;
  expect(Object.keys(replace?.responses ?? {})).toEqual(expect.arrayContaining(["404", "409", "412", "422"]));
  expect(JSON.stringify(replace?.parameters)).toMatch(/Purpose.*IdempotencyKey.*IfMatch/);
  const content = document.paths["/v1/files/{id}/content"]?.get;
  expect(Object.keys(content?.responses ?? {})).toEqual(expect.arrayContaining(["200", "206", "416"]));
  for (const operation of operations) expect(Object.keys(operation.responses)).not.toContain("default");
});

test("every example is one that its schema takes", () => {
  const examples = publicRoutes.filter((route) => route.example !== undefined);
  expect(examples.length).toBeGreaterThan(3);
  for (const { request, example, path } of examples)
    expect(request?.safeParse(example).error, path).toBeUndefined();
});

test("two documents of one route are refused, and an unknown code does not compile", () => {
  const info = { title: "x", version: "1" };
  const [route] = publicRoutes as [RouteDoc];
  expect(() => openApiDocument([route, route], info)).toThrow("documented twice");
  // @ts-expect-error: a code that PROBLEM_CODES does not have
  const _unknown: RouteDoc = { ...route, errors: ["unheard_of"] };
});

test("what is documented is routed, and is public exactly where the documents say so", () => {
  const routes = createRouteTable({ maxUploadBytes: 1 });
  for (const route of publicRoutes) {
    if (["/healthz", "/readyz"].includes(route.path)) continue;
    const method = route.method.toUpperCase();
    const found = routes(method, route.path);
    const open = route.permission === undefined && !route.session;
    expect(found, `${method} ${route.path}`).not.toBeNull();
    expect(found?.access, `${method} ${route.path}`).toBe(open ? "public" : "session");
  }
  const documented = new Set(publicRoutes.map((route) => `${route.method.toUpperCase()} ${route.path}`));
  expect([...PUBLIC].filter((key) => !documented.has(key))).toEqual([]);
});
