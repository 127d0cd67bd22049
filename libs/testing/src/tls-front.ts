import { type AddressInfo, connect, type Socket } from "node:net";
import { createServer, type TlsOptions } from "node:tls";

export interface TlsFront {
  /** The target's URL by way of this, with the `s` of its protocol: `amqps`, `rediss`, `https`. */
  url: string;
  /** The same under another name of this machine. */
  urlOn(host: string): string;
  /** How many clients got through the handshake. */
  entered(): number;
  close(): Promise<void>;
}

/** Real TLS, with the given certificate, before a server that listens in plain. */
export async function createTlsFront(targetUrl: string, options: TlsOptions): Promise<TlsFront> {
  const target = new URL(targetUrl);
  const sockets = new Set<Socket>();
  let entered = 0;
  const server = createServer(options, (client) => {
    entered += 1;
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const urlOn = (host: string) => {
    const { protocol, username, password, pathname } = target;
    const user = username || password ? `${username}:${password}@` : "";
    return `${protocol.replace(":", "s:")}//${user}${host}:${port}${pathname === "/" ? "" : pathname}`;
  };
  return {
    url: urlOn("127.0.0.1"),
    urlOn,
    entered: () => entered,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
