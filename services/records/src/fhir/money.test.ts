import { expect, test } from "vitest";
import { toMinorUnits } from "./money.ts";

test.each([
  [125, "USD", 12_500],
  [125.5, "USD", 12_550],
  [1.005, "USD", 101],
  [125, "JPY", 125],
  [1.234, "KWD", 1234],
  [0, "EUR", 0],
])("%d %s are %d minor units", (value, currency, minor) => {
  expect(toMinorUnits(value, currency)).toBe(minor);
});

test.each([
  [-1, "USD"],
  [1, "usd"],
  [1, "DOLLAR"],
  [1, "ZZZ"],
  [1e18, "USD"],
  [Number.NaN, "USD"],
])("%d %s is no amount", (value, currency) => {
  expect(toMinorUnits(value, currency)).toBeNull();
});
