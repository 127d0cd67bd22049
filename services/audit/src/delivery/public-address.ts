import { isIP } from "node:net";
import { addressRanges, plainAddress } from "@medvault/service-kit";

/** IANA's special-purpose registries: what is not reached by way of the Internet. */
const SPECIAL_V4 = addressRanges(
  "0.0.0.0/8,10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.0.0.0/24,192.0.2.0/24," +
    "192.88.99.0/24,192.168.0.0/16,198.18.0.0/15,198.51.100.0/24,203.0.113.0/24,224.0.0.0/4,240.0.0.0/4",
);
const GLOBAL_V6 = addressRanges("2000::/3");
/** Within the former: protocol assignments with Teredo, documentation, 6to4. */
const SPECIAL_V6 = addressRanges("2001::/23,2001:db8::/32,2002::/16,3fff::/20");

/**
 * Whether an address is on the public Internet: not of a machine, a link, a private network or a
 * cloud's metadata service, also not in one of the spellings by which IPv6 carries IPv4.
 */
export function isPublicAddress(address: string): boolean {
  const plain = plainAddress(address);
  if (isIP(plain) === 4) return !SPECIAL_V4(plain);
  return isIP(plain) === 6 && GLOBAL_V6(plain) && !SPECIAL_V6(plain);
}
