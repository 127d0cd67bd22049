import { slowClients } from "./gateway/slow-clients.ts";
import { streaming } from "./gateway/streaming.ts";
import { throughput } from "./gateway/throughput.ts";
import type { Finding } from "./rounds.ts";
import { withServers } from "./servers.ts";

const GIB = 1024 ** 3;

/** All that was promised of the gateway, with the gateway, its upstream and the bare proxy as processes of their own. */
export function gateway(rounds: number): Promise<Finding[]> {
  return withServers(async () => [
    ...(await throughput(rounds)),
    ...(await streaming(GIB)),
    ...(await slowClients()),
  ]);
}
