import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compact, exactToken, layeredToken, normalise } from "./blind-index.ts";
import { IndexValueTooLong, KeyInvalid } from "./errors.ts";

const key = randomBytes(32);

test("spellings that people take for the same are the same", () => {
  for (const same of [
    ["José", "JOSE\u0301", "jose", " José\u00a0", "ＪＯＳＥ"],
    ["Straße", "STRASSE", "strasse"],
    ["ΣΊΣΥΦΟΣ", "σίσυφος", "σισυφοσ"],
    ["Nguyễn  Văn\tA", "nguyen van a"],
    ["İstanbul", "ISTANBUL", "istanbul"],
    ["co\u00adoperate", "cooperate"],
    ["ﬁne", "FINE"],
  ]) {
    expect(new Set(same.map(normalise)).size, same.join()).toBe(1);
    expect(new Set(same.map((value) => exactToken(key, value).toString("hex"))).size).toBe(1);
  }
  expect(normalise("Müller")).not.toBe(normalise("Möller"));
});

test("normalising twice changes nothing", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (value) => {
      expect(normalise(normalise(value))).toBe(normalise(value));
    }),
    { numRuns: 2_000 },
  );
});

test("numbers that people spell as they like are compared without spaces, hyphens and dots", () => {
  expect(["12-34 a.5", "1234A5", "１２‑３４ａ５"].map(compact)).toEqual(Array(3).fill("1234a5"));
});

test("another key, and another layer, give unrelated tokens", () => {
  const token = exactToken(key, "S1234567D");
  expect(token).not.toEqual(exactToken(randomBytes(32), "S1234567D"));
  expect(layeredToken(key, token)).not.toEqual(token);
  expect(layeredToken(key, token)).not.toEqual(layeredToken(randomBytes(32), token));
});

test("a value too long to index, and a key of another length, are refused", () => {
  expect(() => exactToken(key, "x".repeat(4_097))).toThrow(IndexValueTooLong);
  expect(() => exactToken(key, "x".repeat(100_000))).toThrow(IndexValueTooLong);
  expect(() => exactToken(randomBytes(16), "x")).toThrow(KeyInvalid);
  expect(() => layeredToken(randomBytes(16), randomBytes(16))).toThrow(KeyInvalid);
});
