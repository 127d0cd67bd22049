import type { IncomingMessage } from "node:http";
import { addressRanges, isAddress, plainAddress } from "@medvault/service-kit";

const MAX_HOPS = 10;

/** A function from a request to the address of its client. Throws for an invalid range. */
export function clientAddress(trustedProxies: string): (req: IncomingMessage) => string {
  const isTrusted = addressRanges(trustedProxies);
  return (req) => {
    let address = plainAddress(req.socket.remoteAddress ?? "");
    if (!isTrusted(address)) return address || "unknown";
    // From the nearest hop outwards: the first that is not our proxy is the client. What stands
    // further left is the client's own claim, and is not believed.
    const hops = String(req.headers["x-forwarded-for"] ?? "").split(",");
    for (const hop of hops.slice(-MAX_HOPS).reverse()) {
      const next = hopAddress(hop.trim());
      if (!isAddress(next)) return address;
      address = next;
      if (!isTrusted(address)) return address;
    }
    return address;
  };
}

/** A hop of `X-Forwarded-For`: some proxies add a port, and put an IPv6 address in brackets. */
function hopAddress(hop: string): string {
  const inner = /^\[([^\]]{2,45})\](?::\d{1,5})?$/.exec(hop)?.[1] ?? /^([\d.]{7,15}):\d{1,5}$/.exec(hop)?.[1];
  return plainAddress(inner ?? hop);
}
