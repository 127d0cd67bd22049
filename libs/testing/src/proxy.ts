import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

export interface TestProxy {
  /** The target's URL, by way of this proxy; under TLS its protocol has an `s` more: `amqps`. */
  url: string;
  /** Ends all connections and refuses new ones, as a killed server does. */
  cut(): void;
  /** Keeps connections and forwards nothing, as a partition does. */
  stall(): void;
  /** A black hole: takes connections and bytes, brings none; those connections stay dead. */
  swallow(): void;
  /** Lets everything through again. */
  restore(): void;
  /** How many bytes went to the server so far. */
  bytesSent(): number;
  /** How many clients connected; with TLS, got through the handshake. */
  entered(): number;
  close(): Promise<void>;
}

const DEFAULT_PORTS: Record<string, number> = {
  "postgres:": 5432,
  "postgresql:": 5432,
  "redis:": 6379,
  "amqp:": 5672,
};

/**
 * A TCP proxy before Postgres, Redis or RabbitMQ, which can take them away from its clients. With a
 * certificate it speaks TLS before a server that listens in plain.
 */
export async function createProxy(targetUrl: string, tls?: TlsOptions): Promise<TestProxy> {
  const target = new URL(targetUrl);
  const port = Number(target.port) || (DEFAULT_PORTS[target.protocol] ?? 80);
  const pairs = new Set<[Socket, Socket]>();
  let state: "open" | "cut" | "stalled" | "swallows" = "open";
  const dead = new WeakSet<Socket>();
  let bytes = 0;
  let entered = 0;
  const refuse = (client: Socket) => (tls ? client.destroy() : client.resetAndDestroy());
  const pass = (client: Socket): void => {
    client.on("error", () => {});
    if (state === "cut") return void refuse(client);
    entered += 1;
    const upstream = connect(port, target.hostname);
    upstream.on("error", () => {});
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    if (state === "swallows") dead.add(client);
    upstream.on("data", (chunk) => dead.has(client) || client.write(chunk));
    client.on("data", (chunk) => {
      if (dead.has(client)) return;
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
  };
  const server = tls ? createTlsServer(tls, pass) : createServer(pass);
  server.on("tlsClientError", () => {});
  await once(server.listen(0, "127.0.0.1"), "listening");
  server.unref();
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  if (tls) url.protocol = url.protocol.replace(":", "s:");
  const cut = (): void => {
    state = "cut";
    for (const [client, upstream] of pairs) {
      refuse(client);
      upstream.destroy();
    }
  };
  return {
    url: url.href.replace(/\/$/, ""),
    cut,
    stall() {
      state = "stalled";
      for (const socket of [...pairs].flat()) socket.pause();
    },
    swallow() {
      state = "swallows";
      for (const [client] of pairs) dead.add(client);
    },
    restore() {
      state = "open";
      for (const socket of [...pairs].flat()) socket.resume();
    },
    bytesSent: () => bytes,
    entered: () => entered,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
