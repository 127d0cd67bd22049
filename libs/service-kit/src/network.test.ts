import { expect, test } from "vitest";
import { addressRanges, networkOf, plainAddress } from "./network.ts";

test("an IPv4 address is one caller, and so is an IPv6 /64", () => {
  expect(networkOf("203.0.113.5")).toBe("203.0.113.5");
  expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:db8:1:2::9")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:0db8::1")).toBe("2001:db8:0:0::/64");
  expect(networkOf("::1")).toBe("0:0:0:0::/64");
});

test("one address has one spelling", () => {
  expect(plainAddress("2001:0DB8:0000::0001")).toBe("2001:db8::1");
  expect(plainAddress("::ffff:7f00:1")).toBe("127.0.0.1");
  expect(plainAddress("203.0.113.7")).toBe("203.0.113.7");
  expect(plainAddress("unknown")).toBe("unknown");
});

test("a list of ranges knows its addresses, and what is no range is refused", () => {
  const isListed = addressRanges("10.0.0.0/8, 2001:db8::/32,203.0.113.7");
  for (const address of ["10.1.2.3", "2001:db8::5", "203.0.113.7"]) expect(isListed(address)).toBe(true);
  for (const address of ["11.0.0.1", "203.0.113.8", "::1", "unknown", ""])
    expect(isListed(address)).toBe(false);
  expect(() => addressRanges("10.0.0.0/8, proxy.example")).toThrow("no address");
});
