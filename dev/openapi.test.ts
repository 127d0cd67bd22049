import { globSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { codesOf, needsSession, PROBLEM_CODES, type ProblemCode } from "@medvault/contracts";
import { type MountedRoute, mountedRoutes, Route } from "@medvault/service-kit";
import express from "express";
import { expect, test } from "vitest";
import { publicRoutes } from "../services/gateway/src/system/openapi.ts";

// The documents are written by hand beside the schemas; these hold them against the code, so that neither can grow alone.
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const nameOf = ({ method, path }: { method: string; path: string }) => `${method.toUpperCase()} ${path}`;

/** Every route of every service: each `*.routes.ts` adds its own to a router, which needs no service to be running. */
async function mounted(): Promise<MountedRoute[]> {
  const router = express.Router();
  const routerOrContext = new Proxy(router, {
    get: (target, name) => (Reflect.has(target, name) ? Reflect.get(target, name) : anything),
  });
  for (const file of globSync("services/*/src/**/*.routes.ts", { cwd: ROOT })) {
    const module = (await import(pathToFileURL(ROOT + file).href)) as Record<string, unknown>;
    for (const add of Object.values(module)) {
      if (typeof add !== "function") continue;
      const made = (add as (...parts: unknown[]) => unknown)(routerOrContext, ...PARTS);
      for (const each of [made].flat()) if (each instanceof Route) each.mount(router);
    }
  }
  return mountedRoutes(router);
}

/** Stands for every part that a route would use when it is called: none is called here. */
const anything: unknown = new Proxy(() => anything, { get: () => anything });
const PARTS = Array.from({ length: 8 }, () => anything);

test("every mounted route is documented and every documented one is mounted, with what it requires", async () => {
  const routes = (await mounted()).filter(({ path }) => !/^\/(internal|docs)\//.test(path));
  expect(routes.length).toBeGreaterThan(70);
  const health = ["GET /healthz", "GET /readyz"]; // the kit's own, on every service
  expect([...routes.map(nameOf), ...health].sort()).toEqual(publicRoutes.map(nameOf).sort());

  const documents = new Map(publicRoutes.map((route) => [nameOf(route), route]));
  for (const route of routes.filter((each) => each.guard !== null)) {
    const document = documents.get(nameOf(route));
    if (!document) throw new Error(`${nameOf(route)} is not documented`);
    const documented = document.permission ?? (needsSession(document) ? "session" : "guests");
    expect(documented, nameOf(route)).toBe(route.guard);
    expect(document.stepUp ?? false, nameOf(route)).toBe(route.stepUp);
  }
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
