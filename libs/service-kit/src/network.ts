import { BlockList, isIP } from "node:net";

/** One caller: an IPv4 address, or an IPv6 /64, which is what one subscriber gets. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail = ""] = address.split("%", 1)[0]?.split("::") ?? [];
  const groups = head.split(":").filter(Boolean);
  if (groups.length < 4 && address.includes("::")) {
    const last = tail.split(":").filter(Boolean);
    while (groups.length + last.length < 8) groups.push("0");
    groups.push(...last);
  }
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}

/** Whether this is an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
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

/** Whether a list of addresses and CIDR ranges, by commas, has the address. Throws if malformed. */
export function addressRanges(list: string): (address: string) => boolean {
  const ranges = new BlockList();
  for (const range of list.split(",").map((part) => part.trim())) {
    if (!range) continue;
    const [network = "", prefix] = range.split("/");
    const family = isIP(network);
    if (family === 0) throw new Error("a list of ranges holds something that is no address or CIDR range");
    const bits = prefix === undefined ? (family === 6 ? 128 : 32) : Number(prefix);
    ranges.addSubnet(network, bits, family === 6 ? "ipv6" : "ipv4");
  }
  if (ranges.rules.length === 0) return () => false;
  return (address) => {
    const family = isIP(address);
    return family !== 0 && ranges.check(address, family === 6 ? "ipv6" : "ipv4");
  };
}
