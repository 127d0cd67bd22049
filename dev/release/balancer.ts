// What stands before the replicas of a service: the next request, or connection, goes to the next of them.
import { once } from "node:events";
import http from "node:http";
import net from "node:net";

/**
 * By requests, versions meet in every pair, however long a caller keeps its connections; by
 * connections, as a Kubernetes Service does it, a replica's leave-taking is the caller's to follow.
 */
type By = "request" | "connection";

export class Balancer {
  readonly #server: net.Server;
  #targets: number[] = [];
  #turn = 0;
  /** What each port has got since the start. */
  readonly taken = new Map<number, number>();

  private constructor(by: By) {
    this.#server =
      by === "request"
        ? http.createServer((request, answer) => this.#forward(request, answer))
        : net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#join(socket));
  }

  static async listen(port: number, by: By): Promise<Balancer> {
    const balancer = new Balancer(by);
    balancer.#server.listen(port, "127.0.0.1");
    await once(balancer.#server, "listening");
    return balancer;
  }

  /** The next turn is its. */
  add(port: number): void {
    this.#targets.unshift(port);
    this.#turn = 0;
  }

  /** Nothing new goes there; what is under way is finished. */
  remove(port: number): void {
    this.#targets = this.#targets.filter((target) => target !== port);
  }

  close(): void {
    this.#server.close();
  }

  #next(): number | null {
    const port = this.#targets[this.#turn++ % this.#targets.length];
    if (port === undefined) return null;
    this.taken.set(port, (this.taken.get(port) ?? 0) + 1);
    return port;
  }

  #forward(request: http.IncomingMessage, answer: http.ServerResponse): void {
    const port = this.#next();
    if (port === null) return void answer.writeHead(503).end();
    const { method, url: path, rawHeaders } = request;
    const behind = http.request({
      host: "127.0.0.1",
      port,
      method,
      path,
      agent: false,
      setDefaultHeaders: false,
    });
    for (let at = 0; at < rawHeaders.length; at += 2)
      if (!/^connection$/i.test(rawHeaders[at] ?? ""))
        behind.appendHeader(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
    behind.on("response", (from) => {
      const headers = from.rawHeaders.flatMap((name, at) =>
        at % 2 === 0 && !/^(connection|keep-alive)$/i.test(name) ? [name, from.rawHeaders[at + 1] ?? ""] : [],
      );
      answer.writeHead(from.statusCode ?? 502, headers);
      from.pipe(answer);
    });
    behind.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    answer.on("close", () => behind.destroy());
    request.pipe(behind);
  }

  #join(socket: net.Socket): void {
    const port = this.#next();
    if (port === null) return void socket.destroy();
    const behind = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    socket.pipe(behind).pipe(socket);
    for (const [one, other] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }
}
