import { once } from "node:events";
import { connect, type Socket } from "node:net";

/**
 * A kept-alive connection that sends given bytes, one request at a time, and reads an answer's
 * status and content-length alone: a client that did more would be what is measured.
 */
export class Connection {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined); // `close` follows
  }

  static async open(port: number, host = "127.0.0.1"): Promise<Connection> {
    const socket = connect({ port, host, noDelay: true });
    await once(socket, "connect");
    return new Connection(socket);
  }

  /** The status of the answer, once it has been read. */
  send(request: Buffer | string): Promise<number> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      let head = "";
      let status = 0;
      let left = -1;
      const done = (error?: Error) => {
        socket.off("data", onData).off("close", onClose);
        if (error) reject(error);
        else resolve(status);
      };
      const onClose = () => done(new Error("the connection was closed"));
      const onData = (chunk: Buffer) => {
        let body = chunk.length;
        if (left < 0) {
          head += chunk.toString("latin1");
          const end = head.indexOf("\r\n\r\n");
          if (end === -1) return;
          status = Number(head.slice(9, 12));
          left = Number(/\r\ncontent-length: (\d+)/i.exec(head.slice(0, end))?.[1] ?? 0);
          body = head.length - end - 4;
        }
        left -= body;
        if (left <= 0) done();
      };
      socket.on("data", onData).once("close", onClose);
      socket.write(request);
    });
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }
}
