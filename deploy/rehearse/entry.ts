// What stands before the gateway of MedVault: it ends TLS towards clients, names the client's address,
// and calls the Service by TLS, as deploy/k8s/components/gateway-api has it.
import https from "node:https";
import type { AddressInfo } from "node:net";
import { Agent, buildConnector, fetch as undiciFetch } from "undici";
import { clinicAddress } from "./overlay.ts";

export interface Upstream {
  /** Of the Service. */
  readonly address: string;
  readonly port: number;
  /** From which the entry calls. */
  readonly from: string;
  readonly trusted: () => string;
}

/** Of the gateway, as the entry checks it. */
export const GATEWAY_URL = "https://gateway:8080";

/** Calls `address`, the Service's or one pod's, without retrying anything; the trust is that of the moment. */
export function connectionsTo(
  { address: service, from, trusted }: Upstream,
  address: string,
  connections = 64,
): Agent {
  return new Agent({
    connect: (options, callback) =>
      buildConnector({
        ca: trusted(),
        timeout: 10_000,
        lookup: (_name, { all }, found) =>
          all ? found(null, [{ address, family: 4 }]) : found(null, address, 4),
      })(options, callback),
    // A pod is called from its node, as by the balancer: a proxy that the gateway believes.
    ...(address === service ? { localAddress: from } : {}),
    ...{ connections, headersTimeout: 60_000 },
  });
}

export function fetchBy(agent: Agent, clientAddress: string): typeof fetch {
  const call = (url: string, init: RequestInit) => {
    const headers = new Headers(init.headers);
    headers.set("x-forwarded-for", clientAddress);
    return undiciFetch(url, { ...(init as object), headers: Object.fromEntries(headers), dispatcher: agent });
  };
  return call as unknown as typeof fetch;
}

/** For clients that are processes of their own. Its URL. */
export async function startEntry(
  upstream: Upstream,
  certificate: { cert: string; key: string },
): Promise<{ url: string; close: () => void }> {
  const agent = new https.Agent({ keepAlive: true, localAddress: upstream.from, timeout: 120_000 });
  const server = https.createServer(certificate, (req, res) => {
    const onward = https.request({
      ...{
        host: upstream.address,
        port: upstream.port,
        servername: "gateway",
        ca: upstream.trusted(),
        agent,
      },
      ...{ method: req.method, path: req.url, localAddress: upstream.from },
      headers: { ...req.headers, "x-forwarded-for": clinicAddress(0) },
    });
    onward.on("response", (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(res);
      answer.on("error", () => res.destroy());
    });
    onward.on("error", () => res.destroy());
    res.on("close", () => onward.destroy());
    req.pipe(onward);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}
