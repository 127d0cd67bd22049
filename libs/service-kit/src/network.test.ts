import { expect, test } from "vitest";
import { networkOf } from "./network.ts";

test("an IPv4 address is one caller, and so is an IPv6 /64", () => {
  expect(networkOf("203.0.113.5")).toBe("203.0.113.5");
  expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:db8:1:2::9")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:0db8::1")).toBe("2001:db8:0:0::/64");
  expect(networkOf("::1")).toBe("0:0:0:0::/64");
});
