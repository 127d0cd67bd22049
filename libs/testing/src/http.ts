import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Actor, ASSERTION_HEADER, newId } from "@medvault/contracts";
import { testAssertions } from "./assertions.ts";

export interface TestAnswer<T = unknown> {
  status: number;
  headers: Headers;
  /** Parsed if JSON (a problem too), else text; undefined when empty. T is the test's claim. */
  body: T;
  bytes: Buffer;
}

interface RequestOptions {
  headers?: Record<string, string>;
}

type Read = <T = unknown>(path: string, options?: RequestOptions) => Promise<TestAnswer<T>>;
/** An object goes as JSON; a string, bytes or FormData as it is. */
type Write = <T = unknown>(path: string, body?: unknown, options?: RequestOptions) => Promise<TestAnswer<T>>;

export interface TestClient extends Record<"get" | "delete", Read>, Record<"post" | "put" | "patch", Write> {
  readonly actor: Actor;
}

const servers = new WeakMap<RequestListener, Promise<{ server: Server; url: string }>>();
/** A thousand at once on a busy machine take their time; what hangs is the test runner's to end. */
const TIMEOUT_MS = 60_000;

/** Serves an app on a port, once for all calls; ends with the process or by `close`. */
export async function listening(app: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const known = servers.get(app) ?? listen(app);
  servers.set(app, known);
  const { server, url } = await known;
  return {
    url,
    async close() {
      servers.delete(app);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(app: RequestListener): Promise<{ server: Server; url: string }> {
  return new Promise((resolve, reject) => {
    const server = createServer(app);
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      server.unref();
      resolve({ server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    });
  });
}

/**
 * A client in the actor's name, of an Express app (which gets a port) or a base URL. Every request
 * has a fresh assertion of the test gateway (`testAssertions` verifies it) and a request id.
 */
export function signedIn(appOrUrl: RequestListener | string, actor: Actor): TestClient {
  const send = async <T>(
    method: string,
    path: string,
    body: unknown,
    options: RequestOptions = {},
  ): Promise<TestAnswer<T>> => {
    const base = typeof appOrUrl === "string" ? appOrUrl : (await listening(appOrUrl)).url;
    const assertions = await testAssertions();
    const { payload, contentType } = payloadOf(body);
    const answer = await fetch(new URL(path, base), {
      method,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        [ASSERTION_HEADER]: await assertions.sign(actor),
        "x-request-id": newId(),
        ...(actor.purpose === null ? {} : { "x-purpose": actor.purpose }),
        ...(contentType === undefined ? {} : { "content-type": contentType }),
        ...options.headers,
      },
      ...(payload === undefined ? {} : { body: payload }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, headers: answer.headers, body: parseBody(answer, bytes) as T, bytes };
  };
  const read =
    (method: string): Read =>
    (path, options) =>
      send(method, path, undefined, options);
  const write =
    (method: string): Write =>
    (path, body, options) =>
      send(method, path, body, options);
  return {
    ...{ actor, get: read("GET"), delete: read("DELETE") },
    ...{ post: write("POST"), put: write("PUT"), patch: write("PATCH") },
  };
}

type Payload = string | FormData | Uint8Array<ArrayBuffer>;

function payloadOf(body: unknown): { payload?: Payload; contentType?: string } {
  if (body === undefined) return {};
  if (typeof body === "string" || body instanceof FormData) return { payload: body };
  if (body instanceof Uint8Array) return { payload: new Uint8Array(body) };
  return { payload: JSON.stringify(body), contentType: "application/json" };
}

function parseBody(answer: Response, bytes: Buffer): unknown {
  const text = bytes.toString("utf8");
  if (text === "") return undefined;
  return /\bjson/.test(answer.headers.get("content-type") ?? "") ? JSON.parse(text) : text;
}
