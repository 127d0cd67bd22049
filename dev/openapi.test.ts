import { globSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { codesOf, PROBLEM_CODES, type ProblemCode, type RouteDoc } from "@medvault/contracts";
import { Route } from "@medvault/service-kit";
import express from "express";
import { expect, test } from "vitest";
import { publicRoutes } from "../services/gateway/src/system/openapi.ts";
import { mountSystem } from "../services/gateway/src/system/system.routes.ts";

// The documents are written by hand beside the schemas; these hold them against the code, so that
// neither can grow alone.
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const nameOf = ({ method, path }: { method: string; path: string }) => `${method.toUpperCase()} ${path}`;

/** The documents of the routes that services mount: a route is made of its document. */
async function mountedByServices(): Promise<RouteDoc[]> {
  const docs: RouteDoc[] = [];
  for (const file of globSync("services/!(gateway)/src/**/*.routes.ts", { cwd: ROOT })) {
    const module = (await import(pathToFileURL(ROOT + file).href)) as Record<string, unknown>;
    for (const make of Object.values(module)) {
      if (typeof make !== "function") continue;
      for (const each of [make(anything)].flat()) if (each instanceof Route) docs.push(each.doc);
    }
  }
  return docs;
}

/** Stands for a context: routes use it when they are called, and none is called here. */
const anything: unknown = new Proxy(() => anything, { get: () => anything });

test("every mounted route is documented and every documented one is mounted", async () => {
  const docs = await mountedByServices();
  expect(docs.length).toBeGreaterThan(70);
  const gateway = express.Router();
  mountSystem(gateway);
  const own = gateway.stack
    .map(({ route }) => `GET ${route?.path}`)
    .filter((name) => !/\/docs\/|\/$/.test(name));
  const health = ["GET /healthz", "GET /readyz"]; // the kit's own, on every service
  const mounted = docs.filter(({ internal }) => !internal).map(nameOf);
  expect([...mounted, ...own, ...health].sort()).toEqual(publicRoutes.map(nameOf).sort());
  const documents = new Map(publicRoutes.map((route) => [nameOf(route), route]));
  for (const doc of docs) if (!doc.internal) expect(documents.get(nameOf(doc)), nameOf(doc)).toBe(doc);
});

test("every code of an error class is in the table under its kind, and some route documents it", () => {
  const classes = errorClasses();
  const found = new Map<string, string>();
  for (const { code, ...each } of classes.values()) {
    const kind =
      each.kind ?? classes.get(each.base)?.kind ?? classes.get(classes.get(each.base)?.base ?? "")?.kind;
    if (code && kind) found.set(code, kind);
  }
  found.set("internal_error", "internal"); // what no class stands for
  expect(Object.fromEntries([...found].sort())).toEqual(
    Object.fromEntries(Object.entries(PROBLEM_CODES).sort()),
  );
  // What is said where there is no such operation stands at no operation.
  const documented = new Set<string>(["method_not_allowed"]);
  for (const route of publicRoutes) for (const code of codesOf(route)) documented.add(code);
  expect(Object.keys(PROBLEM_CODES).filter((code) => !documented.has(code))).toEqual([]);
});

interface ErrorClass {
  base: string;
  code: string | undefined;
  kind: string | undefined;
}

/** The error classes of contracts and services that a caller may meet, by name. */
function errorClasses(): Map<string, ErrorClass> {
  const classes = new Map<string, ErrorClass>();
  for (const file of globSync(["libs/contracts/src/*.ts", "services/*/src/**/*.ts"], { cwd: ROOT })) {
    if (file.endsWith(".test.ts")) continue;
    const source = readFileSync(ROOT + file, "utf8");
    for (const [, name = "", code = ""] of source.matchAll(
      /^(?:export )?class (\w+) extends refusal\(\s*"(\w+)"/gm,
    )) {
      classes.set(name, { base: "AppError", code, kind: PROBLEM_CODES[code as ProblemCode] });
    }
    for (const [, name = "", base = "", body = ""] of source.matchAll(
      /^(?:export )?(?:abstract )?class (\w+) extends (?!refusal\b)(\w+)[^{]*\{([\s\S]*?)^\}|^(?:export )?class (\w+) extends (\w+) \{\}/gm,
    )) {
      if (base === "Error") continue;
      classes.set(name, {
        base,
        code: /readonly code(?:: string)? = "(\w+)"/.exec(body)?.[1],
        kind: /readonly kind = "(\w+)"/.exec(body)?.[1],
      });
    }
  }
  return classes;
}
