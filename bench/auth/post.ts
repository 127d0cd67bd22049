import { connect, type Socket } from "node:net";
import { ASSERTION_HEADER } from "@medvault/contracts";

interface Answer {
  status: number;
  ms: number;
}

/** One of many connections that stay: it asks one thing at a time. */
interface Connection {
  socket: Socket;
  answered: (status: number) => void;
  failed: (error: Error) => void;
}

const idle: Connection[] = [];

/**
 * One POST of JSON with an assertion made before, over connections that stay; `ms` from call to the
 * answer's end. By hand and no more than that: it shares the cores with what it measures.
 */
export async function post(url: string, assertion: string, body: unknown): Promise<Answer> {
  const { hostname, port, pathname } = new URL(url);
  const text = JSON.stringify(body);
  const since = performance.now();
  const connection = idle.pop() ?? (await open(hostname, Number(port)));
  const status = await new Promise<number>((resolve, reject) => {
    connection.answered = resolve;
    connection.failed = reject;
    connection.socket.write(
      `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(text)}\r\n${ASSERTION_HEADER}: ${assertion}\r\n\r\n${text}`,
    );
  });
  idle.push(connection);
  return { status, ms: performance.now() - since };
}

function open(host: string, port: number): Promise<Connection> {
  const socket = connect({ host, port, noDelay: true });
  const connection: Connection = { socket, answered: () => {}, failed: () => {} };
  let read = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    read += chunk;
    const headEnd = read.indexOf("\r\n\r\n");
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(read)?.[1] ?? 0);
    if (headEnd < 0 || read.length < headEnd + 4 + length) return;
    const status = Number(read.slice(9, 12));
    read = "";
    connection.answered(status);
  });
  socket.on("close", () => {
    const at = idle.indexOf(connection);
    if (at >= 0) idle.splice(at, 1);
    connection.failed(new Error("the connection was closed"));
  });
  return new Promise((resolve, reject) => {
    socket.on("error", (error) => {
      reject(error);
      connection.failed(error);
    });
    socket.on("connect", () => resolve(connection));
  });
}
