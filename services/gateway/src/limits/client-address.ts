import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

const MAX_HOPS = 10;

/** A function from a request to the address of its client. Throws for an invalid range. */
export function clientAddress(trustedProxies: string): (req: IncomingMessage) => string {
  const trusted = new BlockList();
  addRanges(trusted, trustedProxies);
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (req) => {
    let address = plainAddress(req.socket.remoteAddress ?? "");
    if (!isIP(address) || !isTrusted(address)) return address || "unknown";
    // From the nearest hop outwards: the first that is not our proxy is the client. What stands
    // further left is the client's own claim, and is not believed.
    const hops = String(req.headers["x-forwarded-for"] ?? "").split(",");
    for (const hop of hops.slice(-MAX_HOPS).reverse()) {
      const next = hopAddress(hop.trim());
      if (!isIP(next)) return address;
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

/**
 * One spelling for one address: an IPv4 address that came as IPv6 (`::ffff:203.0.113.7`,
 * `::ffff:cb00:7107`) is the IPv4 address, an IPv6 address is compressed and without its zone (RFC
 * 5952), anything else stays as it is.
 */
export function plainAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const compressed = new URL(`http://[${address.split("%", 1)[0]}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed);
  if (!mapped) return compressed;
  const [high = 0, low = 0] = mapped.slice(1).map((group) => Number.parseInt(group, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** Adds addresses and CIDR ranges, separated by commas. Throws for anything else. */
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
