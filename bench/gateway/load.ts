import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../connection.ts";

/** What one round of load saw. */
export interface Load {
  perSecond: number;
  /** Milliseconds. */
  p50Ms: number;
  p95Ms: number;
}

export interface LoadOptions {
  port: number;
  path: string;
  headers: Record<string, string>;
  connections: number;
  seconds: number;
  /** Requests a second over all connections; without it each asks again once it was answered. */
  rate?: number;
}

/** GETs over kept-alive connections, one at a time each. Throws for any answer but 200. */
export async function load(options: LoadOptions): Promise<Load> {
  const { connections, seconds, rate, port } = options;
  const request = Buffer.from(
    `GET ${options.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${Object.entries(options.headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`,
  );
  const took: number[] = [];
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
        const status = await connection.send(request);
        if (status !== 200) throw new Error(`answered ${status}`);
        took.push(performance.now() - since);
      }
      connection.close();
    }),
  );
  const elapsed = performance.now() - begun;
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.floor(took.length * share)] ?? Number.NaN;
  return { perSecond: (took.length / elapsed) * 1_000, p50Ms: at(0.5), p95Ms: at(0.95) };
}
