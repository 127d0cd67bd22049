import { slowClients } from "./gateway/slow-clients.ts";
import { streaming } from "./gateway/streaming.ts";
import { throughput } from "./gateway/throughput.ts";
import type { Finding } from "./rounds.ts";
import { withServers } from "./servers.ts";

const GIB = 1024 ** 3;

/** All of the gateway's promises; gateway, upstream and bare proxy are processes of their own. */
export function gateway(rounds: number): Promise<Finding[]> {
  return withServers(async () => [
    ...(await throughput(rounds)),
    ...(await streaming(GIB)),
    ...(await slowClients()),
  ]);
}
