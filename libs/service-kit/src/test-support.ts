import type { AddressInfo } from "node:net";
import type { AppError } from "@medvault/contracts";
import type { Express, Router } from "express";
import { createApp, type OnRefusal } from "./app.ts";
import {
  type AssertionKey,
  AssertionVerifier,
  type Claims,
  importAssertionKey,
  newAssertionKey,
  signAssertion,
} from "./assertions.ts";
import type { JsonLimit } from "./body.ts";
import type { Readiness } from "./health.ts";
import { createLogger, type Logger } from "./logger.ts";

/** The lines that a logger wrote, parsed, and their raw text. */
export function capturedLogger(level = "debug", fields: string[] = []) {
  const lines: string[] = [];
  const logger: Logger = createLogger({
    service: "test",
    level,
    fields,
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

export interface Harness {
  url: string;
  app: Express;
  key: AssertionKey;
  refusals: { code: string; actorId: string | null }[];
  log: ReturnType<typeof capturedLogger>;
  assertion(claims?: Partial<Claims>, audience?: string): Promise<string>;
  call(path: string, init?: RequestInit & { as?: Partial<Claims> | null }): Promise<Response>;
  close(): Promise<void>;
}

/** A service of the given routes, listening, with a gateway's key of its own. */
export async function givenService(
  routes: (router: Router) => void,
  options: { onRefusal?: OnRefusal; jsonLimitBytes?: JsonLimit; readiness?: Readiness } = {},
): Promise<Harness> {
  const { privateJwk, jwks } = await newAssertionKey();
  const key = await importAssertionKey(privateJwk);
  const refusals: Harness["refusals"] = [];
  const log = capturedLogger();
  const app = createApp({
    service: "records",
    logger: log.logger,
    assertions: new AssertionVerifier(jwks, "records"),
    routes,
    readiness: options.readiness ?? (async () => ({ postgres: "ok" })),
    onRefusal:
      options.onRefusal ??
      (async (_req, actor, error: AppError) =>
        void refusals.push({ code: error.code, actorId: actor?.id ?? null })),
    ...(options.jsonLimitBytes ? { jsonLimitBytes: options.jsonLimitBytes } : {}),
  });
  const server = app.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const assertion = (claims: Partial<Claims> = {}, audience = "records") =>
    signAssertion(key, { ...DOCTOR, ...claims }, audience);
  return {
    url,
    app,
    key,
    refusals,
    log,
    assertion,
    call: async (path, { as = {}, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (as) headers.set("x-medvault-assertion", await assertion(as));
      return fetch(`${url}${path}`, { ...init, headers });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** One field of a JSON answer. */
export async function fieldOf(answer: Response, name: string): Promise<unknown> {
  return ((await answer.json()) as Record<string, unknown>)[name];
}
