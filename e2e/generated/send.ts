import { randomInt } from "node:crypto";
import http from "node:http";
import { Agent, fetch as undiciFetch } from "undici";
import type { Generated } from "./requests.ts";

/** An address of its own, chosen at random: what is refused here locks no one else out. */
const ADDRESS = `127.7.${randomInt(256)}.${1 + randomInt(254)}`;
/** A session is bound to the user agent that began it, so all requests have the same. */
const AGENT = "generated-requests/1";
const TIMEOUT_MS = 30_000;
const MOST_BYTES = 4 * 1024 * 1024;

const dispatcher = new Agent({ localAddress: ADDRESS });
/** fetch from that address; forms are serialised first, since they are of another fetch's class. */
export const fetchFromThere = (async (input: string, init: RequestInit) => {
  const headers = new Headers(init.headers);
  headers.set("user-agent", AGENT);
  let body = init.body ?? null;
  if (body instanceof FormData) {
    const written = new Response(body);
    headers.set("content-type", written.headers.get("content-type") ?? "");
    body = new Uint8Array(await written.arrayBuffer());
  }
  const there = { ...init, headers: [...headers], body, dispatcher } as object;
  return undiciFetch(input, there);
}) as unknown as typeof fetch;

export interface Received {
  status: number;
  headers: Headers;
  raw: Buffer;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 32, localAddress: ADDRESS } as http.AgentOptions);

/** Sends a request as it is, not as fetch would have it, and reads the answer up to 4 MiB. */
export function send(gateway: URL, request: Generated, token: string | null): Promise<Received> {
  const { method, target, body } = request;
  const headers: Record<string, string | number> = { "user-agent": AGENT, ...request.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== null) headers["content-length"] = Buffer.byteLength(body);
  return new Promise((resolve, reject) => {
    const { hostname, port } = gateway;
    const sent = http.request({ agent, hostname, port, method, path: target, headers, timeout: TIMEOUT_MS });
    sent.on("timeout", () => sent.destroy(new Error("no answer within 30 s")));
    sent.on("error", reject);
    sent.on("response", (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      // A stream of events has no end: its beginning is its answer.
      const isEndless = response.headers["content-type"]?.startsWith("text/event-stream") ?? false;
      const done = () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: new Headers(
            Object.entries(response.headersDistinct).map(([k, v]) => [k, (v ?? []).join(", ")]),
          ),
          raw: Buffer.concat(chunks),
        });
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (isEndless || bytes > MOST_BYTES) response.destroy();
      });
      response.on("close", () =>
        response.complete || isEndless || bytes > MOST_BYTES ? done() : reject(new Error("a torn answer")),
      );
    });
    sent.end(body ?? undefined);
  });
}

export function closeConnections(): Promise<void> {
  agent.destroy();
  return dispatcher.close();
}
