import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Finding } from "../rounds.ts";
import { load, requestOf } from "./load.ts";
import { start } from "./processes.ts";
import { withGateway } from "./served.ts";

const SLOW = 200;
const SECONDS = 5;
const CONNECTIONS = 8;
const RATE = 200;
const PATH = "/v1/records/01900000-0000-7000-8000-000000000001";

/** The p95 of other clients' requests while 200 slow clients send a byte at a time, or nothing. */
export async function slowClients(): Promise<Finding[]> {
  const upstream = await start("upstream.ts");
  const slow: { socket: Socket; drip: NodeJS.Timeout }[] = [];
  const settings = {
    MEDVAULT_RECORDS_URL: `http://127.0.0.1:${upstream.port}`,
    MEDVAULT_RATE_LIMIT: "1000000000",
  };
  return withGateway(settings, async ({ gateway, token }): Promise<Finding[]> => {
    const request = requestOf("GET", PATH, { authorization: `Bearer ${token}` });
    const others = () =>
      load({
        port: gateway.port,
        request: () => request,
        connections: CONNECTIONS,
        seconds: SECONDS,
        rate: RATE,
      });
    await others();
    const calm = await others();
    const head = `Host: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json`;
    const begins = [
      [`GET ${PATH} HTTP/1.1\r\n${head}`, "\r\nX-Slow: 1"],
      [`POST /v1/claims HTTP/1.1\r\n${head}\r\nContent-Length: 1000\r\n\r\n{"a":`, " "],
      [`POST /v1/files HTTP/1.1\r\n${head}\r\nContent-Length: 1000\r\n\r\nabc`, "x"],
      ["", "G"],
    ] as const;
    for (let i = 0; i < SLOW; i++) {
      const [begin, more] = begins[i % begins.length] as (typeof begins)[number];
      const socket = connect({ port: gateway.port, host: "127.0.0.1" });
      socket.on("error", () => undefined);
      await once(socket, "connect");
      socket.resume().write(begin);
      slow.push({ socket, drip: setInterval(() => socket.write(more), 1_000) });
    }
    const crowded = await others();
    return [
      {
        name: `p95 of others beside ${SLOW} slow clients, ${RATE} requests a second`,
        measured: crowded.p95Ms,
        unit: "ms",
        atMost: 500,
        note: `${calm.p95Ms.toFixed(2)} ms without them`,
      },
    ];
  }).finally(() => {
    for (const { socket, drip } of slow) {
      clearInterval(drip);
      socket.destroy();
    }
    upstream.stop();
  });
}
