import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

const MAX_HOPS = 10;

/** A function from a request to the address of its client. Throws for a range that is none. */
export function clientAddress(trustedProxies: string): (req: IncomingMessage) => string {
  const trusted = new BlockList();
  addRanges(trusted, trustedProxies);
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (req) => {
    let address = plain(req.socket.remoteAddress ?? "");
    if (!isIP(address) || !isTrusted(address)) return address || "unknown";
    // From the nearest hop outwards: the first that is not our proxy is the client. What stands further left is
    // the client's own claim, and is not believed.
    const hops = String(req.headers["x-forwarded-for"] ?? "").split(",");
    for (const hop of hops.slice(-MAX_HOPS).reverse()) {
      const next = plain(hop.trim());
      if (!isIP(next)) return address;
      address = next;
      if (!isTrusted(address)) return address;
    }
    return address;
  };
}

/** An IPv4 address that came as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address. */
function plain(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}

/** Adds addresses and CIDR ranges, separated by commas. Throws for what is none. */
export function addRanges(list: BlockList, ranges: string): void {
  for (const range of ranges.split(",").map((part) => part.trim())) {
    if (!range) continue;
    const [network = "", prefix] = range.split("/");
    const family = isIP(network);
    if (family === 0) throw new Error("a list of ranges holds something that is no address or CIDR range");
    const bits = prefix === undefined ? (family === 6 ? 128 : 32) : Number(prefix);
    list.addSubnet(network, bits, family === 6 ? "ipv6" : "ipv4");
  }
}
