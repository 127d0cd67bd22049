import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../connection.ts";

/** What one round of load saw. */
export interface Load {
  /** Answered requests. */
  count: number;
  /** Those answered with anything but 2xx, where that is borne. */
  failed: number;
  perSecond: number;
  /** Milliseconds. */
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
}

export interface LoadOptions {
  port: number;
  /** The next request, whole. */
  request: () => Buffer | string;
  connections: number;
  seconds: number;
  /** Requests a second over all connections; without it each asks again once it was answered. */
  rate?: number;
  /** Counts answers other than 2xx instead of throwing. */
  bearsFailures?: boolean;
}

/** A request as it travels. */
export function requestOf(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer | string = "",
): Buffer {
  const size = Buffer.byteLength(body);
  const all = { host: "127.0.0.1", ...headers, ...(size > 0 && { "content-length": String(size) }) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`),
    Buffer.from(body),
  ]);
}

/** Requests over kept-alive connections, one at a time each. Throws for any answer but 2xx, unless told to bear it. */
export async function load(options: LoadOptions): Promise<Load> {
  const { connections, seconds, rate, port, request } = options;
  const took: number[] = [];
  let failed = 0;
  const begun = performance.now();
  const until = begun + seconds * 1_000;
  await Promise.all(
    Array.from({ length: connections }, async (_, i) => {
      const connection = await Connection.open(port);
      const everyMs = rate ? (connections / rate) * 1_000 : 0;
      for (let due = begun + (everyMs * i) / connections; ; due += everyMs) {
        const early = due - performance.now();
        if (rate && early > 0) await sleep(early);
        const since = performance.now();
        if (since >= until) break;
        const status = await connection.send(request());
        const isFailure = status < 200 || status > 299;
        if (isFailure && !options.bearsFailures) throw new Error(`answered ${status}`);
        if (isFailure) failed += 1;
        took.push(performance.now() - since);
      }
      connection.close();
    }),
  );
  const elapsed = performance.now() - begun;
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.floor(took.length * share)] ?? Number.NaN;
  const perSecond = (took.length / elapsed) * 1_000;
  return { count: took.length, failed, perSecond, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}
