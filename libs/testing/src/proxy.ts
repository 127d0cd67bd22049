import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface TestProxy {
  /** The target's URL, by way of this proxy. */
  url: string;
  /** Ends all connections and refuses new ones, as a killed server does. */
  cut(): void;
  /** Keeps connections and forwards nothing, as a partition does. */
  stall(): void;
  /** Lets everything through again. */
  restore(): void;
  /** How many bytes went to the server so far. */
  bytesSent(): number;
  close(): Promise<void>;
}

const DEFAULT_PORTS: Record<string, number> = {
  "postgres:": 5432,
  "postgresql:": 5432,
  "redis:": 6379,
  "amqp:": 5672,
};

/** A TCP proxy before Postgres, Redis or RabbitMQ, which can take them away from its clients. */
export async function createProxy(targetUrl: string): Promise<TestProxy> {
  const target = new URL(targetUrl);
  const port = Number(target.port) || (DEFAULT_PORTS[target.protocol] ?? 80);
  const pairs = new Set<[Socket, Socket]>();
  let state: "open" | "cut" | "stalled" = "open";
  let bytes = 0;
  const server = createServer((client) => {
    client.on("error", () => {});
    if (state === "cut") {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(port, target.hostname);
    upstream.on("error", () => {});
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    upstream.on("data", (chunk) => client.write(chunk));
    client.on("data", (chunk) => {
      bytes += chunk.length;
      upstream.write(chunk);
    });
    for (const socket of pair) {
      if (state === "stalled") socket.pause();
      socket.on("close", () => {
        pairs.delete(pair);
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  const cut = (): void => {
    state = "cut";
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  };
  return {
    url: url.href,
    cut,
    stall() {
      state = "stalled";
      for (const socket of [...pairs].flat()) socket.pause();
    },
    restore() {
      state = "open";
      for (const socket of [...pairs].flat()) socket.resume();
    },
    bytesSent: () => bytes,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
