import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { clientAddress } from "./client-address.ts";

const addressOf = (trusted: string, remoteAddress: string, forwarded?: string) =>
  clientAddress(trusted)({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { "x-forwarded-for": forwarded },
  } as unknown as IncomingMessage);

test("anyone who is no trusted proxy is the client, whatever they forward", () => {
  for (const claim of ["198.51.100.1", "127.0.0.1", "10.0.0.1, 127.0.0.1", "::1", "", ",,,", "unknown"])
    for (const trusted of ["", "10.0.0.0/8"])
      expect(addressOf(trusted, "203.0.113.5", claim), claim).toBe("203.0.113.5");
});

test("a chain is read from its trusted end; what its client wrote is not believed", () => {
  const cases: [forwarded: string, client: string][] = [
    ["198.51.100.1", "198.51.100.1"],
    ["127.0.0.1, 198.51.100.1", "198.51.100.1"],
    ["10.0.0.9, 198.51.100.1, 10.2.3.4", "198.51.100.1"],
    ["6.6.6.6, 198.51.100.1, 10.9.9.9", "198.51.100.1"],
    ["198.51.100.1:4711", "198.51.100.1"],
    ["[2001:db8::1]:443", "2001:db8::1"],
    ["2001:DB8:0:0:0::1", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:198.51.100.1", "198.51.100.1"],
    ["::ffff:c633:6401", "198.51.100.1"],
    ["10.9.9.9", "10.9.9.9"],
    // garbage ends the chain at the proxy that passed it on
    ["198.51.100.1, <script>", "10.1.1.1"],
    ["198.51.100.1,", "10.1.1.1"],
    ["999.1.1.1", "10.1.1.1"],
    ["198.51.100.1 10.0.0.1", "10.1.1.1"],
    ["[2001:db8::1", "10.1.1.1"],
    ["", "10.1.1.1"],
  ];
  for (const [forwarded, client] of cases)
    expect(addressOf("10.0.0.0/8, 2001:db8:aaaa::/48", "::ffff:10.1.1.1", forwarded), forwarded).toBe(client);
  expect(addressOf("2001:db8:aaaa::/48", "2001:db8:aaaa::5", "198.51.100.1")).toBe("198.51.100.1");
  expect(addressOf("10.0.0.0/8, 2001:db8::1", "2001:db8::1", "2001:db8:ffff::7")).toBe("2001:db8:ffff::7");
  expect(addressOf("10.0.0.0/8", "10.1.2.3")).toBe("10.1.2.3");
});

test("a trusted proxy that is no address is refused", () => {
  expect(() => clientAddress("10.0.0.0/8, proxy.example")).toThrow("no address");
});

test("a chain of a thousand hops is read as far as ten, and costs no more", () => {
  const chain = Array.from({ length: 1_000 }, () => "10.0.0.1").join(",");
  expect(addressOf("10.0.0.0/8", "10.1.1.1", `198.51.100.1,${chain}`)).toBe("10.0.0.1");
});
