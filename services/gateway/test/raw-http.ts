import { connect } from "node:net";

/** One answer as it came over the wire. */
export interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
}

/** Sends these bytes and reads until the other side ends; status 0: it ended without an answer. */
export function sendRaw(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    const end = () => resolve(parsed(Buffer.concat(chunks).toString("latin1")));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", end).on("close", end);
    socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    socket.setTimeout(5_000, () => socket.destroy());
  });
}

function parsed(text: string): RawAnswer {
  const [head = "", body = ""] = text.split(/\r\n\r\n(.*)/s);
  const [line = "", ...fields] = head.split("\r\n");
  const headers = fields.map((field) => field.split(/: ?(.*)/s, 2) as [string, string]);
  return {
    status: Number(line.split(" ")[1] ?? 0),
    headers: new Map(headers.map(([name, value]) => [name.toLowerCase(), value])),
    body,
  };
}
