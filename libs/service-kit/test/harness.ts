import type { ResourceAction, RouteDoc } from "@medvault/contracts";
import { listening, testAssertions } from "@medvault/testing";
import type * as express from "express";
import { type AppOptions, createApp } from "../src/app.ts";
import { type Claims, signAssertion } from "../src/assertions.ts";
import { createLogger, type Logger } from "../src/logger.ts";
import { type Route, streamRoute } from "../src/route.ts";

/** The lines that a logger wrote, parsed, and their raw text. */
export function capturedLogger() {
  const lines: string[] = [];
  const logger: Logger = createLogger({
    service: "test",
    level: "debug",
    destination: { write: (line: string) => void lines.push(line) },
  });
  return {
    logger,
    text: () => lines.join(""),
    entries: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

export const DOCTOR: Claims = {
  sub: "0198f000-0000-7000-8000-000000000001",
  role: "doctor",
  sid: "0198f000-0000-7000-8000-0000000000aa",
  scope: "prescription:read:assigned",
  auth_time: Math.floor(Date.now() / 1000),
  amr: ["pwd", "otp"],
  ip: "203.0.113.7",
  ua: "test",
};
export const GUEST: Claims = {
  ...DOCTOR,
  sub: "guest",
  role: "guest",
  sid: null,
  scope: "",
  auth_time: 0,
  amr: [],
};

/** A service of the given routes, listening, behind the test gateway. */
export async function startService(
  routes: readonly Route[],
  options: Partial<Omit<AppOptions, "logger" | "assertions" | "routes">> = {},
) {
  const { key, verifier } = await testAssertions();
  const refusals: { code: string; actorId: string | null }[] = [];
  const log = capturedLogger();
  const app = createApp({
    logger: log.logger,
    assertions: verifier("records"),
    routes,
    readiness: async () => ({ postgres: "ok" }),
    onRefusal: async (_req, actor, { code }) => void refusals.push({ code, actorId: actor?.id ?? null }),
    ...options,
  });
  const { url, close } = await listening(app);
  const assertion = (claims: Partial<Claims> = {}) => signAssertion(key, { ...DOCTOR, ...claims }, "records");
  const call = async (path: string, init: RequestInit & { as?: Partial<Claims> | null } = {}) => {
    const { as = {}, ...rest } = init;
    const headers = new Headers(rest.headers);
    if (as) headers.set("x-medvault-assertion", await assertion(as));
    return fetch(`${url}${path}`, { ...rest, headers });
  };
  return { url, app, key, refusals, log, assertion, call, close };
}
export type Harness = Awaited<ReturnType<typeof startService>>;

/** The least that a document needs. */
export function doc<const M extends RouteDoc["method"], const P extends string>(
  method: M,
  path: P,
  permission: ResourceAction | null = "prescription:read",
) {
  return { method, path, summary: "Of a test", ...(permission && { permission }) };
}

/** A route whose handler reads the body, of any type, and writes the answer itself. */
export function bare(
  method: RouteDoc["method"],
  path: string,
  handle: (req: express.Request, res: express.Response) => unknown,
  permission?: ResourceAction | null,
): Route {
  const document = { ...doc(method, path, permission), requestType: "*/*" };
  return streamRoute(document, async ({ req, res }) => void (await handle(req, res)));
}

/** One field of a JSON answer. */
export async function fieldOf(answer: Response, name: string): Promise<unknown> {
  return ((await answer.json()) as Record<string, unknown>)[name];
}
