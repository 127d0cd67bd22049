import { ASSERTION_HEADER } from "@medvault/contracts";
import { Connection } from "../connection.ts";

interface Answer {
  status: number;
  ms: number;
}

const idle: Connection[] = [];

/**
 * One POST of JSON with an assertion made before, over connections that stay; `ms` from call to the
 * answer's end.
 */
export async function post(url: string, assertion: string, body: unknown): Promise<Answer> {
  const { hostname, port, pathname } = new URL(url);
  const text = JSON.stringify(body);
  const since = performance.now();
  let connection = idle.pop();
  if (!connection?.isOpen) connection = await Connection.open(Number(port), hostname);
  const status = await connection.send(
    `POST ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\n${ASSERTION_HEADER}: ${assertion}\r\n\r\n${text}`,
  );
  const ms = performance.now() - since;
  idle.push(connection);
  return { status, ms };
}
