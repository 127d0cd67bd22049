import { once } from "node:events";
import { connect, type Socket } from "node:net";

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

/**
 * GETs over kept-alive connections, one at a time each, by sockets and bytes: a client that parsed
 * more would be what is measured. Throws for any answer but 200.
 */
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
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      await once(socket, "connect");
      const everyMs = rate ? (connections / rate) * 1_000 : 0;
      for (let due = begun + (everyMs * i) / connections; ; due += everyMs) {
        if (rate) await whenDue(due);
        const since = performance.now();
        if (since >= until) break;
        await ask(socket, request);
        took.push(performance.now() - since);
      }
      socket.destroy();
    }),
  );
  const elapsed = performance.now() - begun;
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.floor(took.length * share)] ?? Number.NaN;
  return { perSecond: (took.length / elapsed) * 1_000, p50Ms: at(0.5), p95Ms: at(0.95) };
}

function whenDue(due: number): Promise<void> | undefined {
  const ms = due - performance.now();
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
}

function ask(socket: Socket, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = "";
    let left = -1;
    const done = (error?: Error) => {
      socket.off("data", onData).off("close", onClose);
      if (error) reject(error);
      else resolve();
    };
    const onClose = () => done(new Error("the connection was closed in the middle"));
    const onData = (chunk: Buffer) => {
      let body = chunk.length;
      if (left < 0) {
        head += chunk.toString("latin1");
        const end = head.indexOf("\r\n\r\n");
        if (end === -1) return;
        if (!head.startsWith("HTTP/1.1 200")) return done(new Error(head.slice(0, 40)));
        left = Number(/\r\ncontent-length: (\d+)/i.exec(head.slice(0, end))?.[1] ?? Number.NaN);
        body = head.length - end - 4;
      }
      left -= body;
      if (!(left > 0)) done(Number.isNaN(left) ? new Error("no content-length") : undefined);
    };
    socket.on("data", onData).once("close", onClose);
    socket.write(request);
  });
}
