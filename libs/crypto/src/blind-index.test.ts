import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { containsPart, exactToken, normalise, trigramQueryTokens, trigramTokens } from "./blind-index.ts";
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

test("every part of a value is found by its tokens and by the check after opening", () => {
  const text = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 40 }),
    fc.constantFrom("Zoë Ångström-O'Brien", "Ibuprofen 400 mg"),
  );
  fc.assert(
    fc.property(text, fc.nat(), fc.nat(), (value, from, length) => {
      const points = [...normalise(value)];
      const start = points.length === 0 ? 0 : from % points.length;
      const part = points.slice(start, start + 3 + (length % 10)).join("");
      fc.pre([...normalise(part)].length >= 3 && normalise(part) === part);
      const tokens = new Set(trigramTokens(key, value));
      expect(trigramQueryTokens(key, part).every((token) => tokens.has(token))).toBe(true);
      expect(containsPart(value, part)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("one or two letters find the beginnings of words only", () => {
  const tokens = new Set(trigramTokens(key, "Amoxicillin Clavulanate", 40));
  const finds = (part: string): boolean =>
    trigramQueryTokens(key, part, 40).every((token) => tokens.has(token));
  for (const part of ["a", "A", "am", "c", "Cl"])
    expect([finds(part), containsPart("Amoxicillin Clavulanate", part)]).toEqual([true, true]);
  for (const part of ["m", "mo", "la"])
    expect([finds(part), containsPart("Amoxicillin Clavulanate", part)]).toEqual([false, false]);
  expect(trigramQueryTokens(key, "  ")).toEqual([]);
  expect(containsPart("anything", "")).toBe(false);
});

test("tokens fit a Postgres bigint, are sorted, once each, and of the truncation that was asked for", () => {
  for (const bits of [8, 12, 16, 48]) {
    const tokens = trigramTokens(key, "the quick brown fox jumps over the lazy dog the the", bits).map(
      Number,
    );
    expect(tokens.every((token) => Number.isSafeInteger(token) && token >= 0 && token < 2 ** bits)).toBe(
      true,
    );
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  }
  expect(() => trigramTokens(key, "x", 7)).toThrow(RangeError);
  expect(() => trigramTokens(key, "x", 49)).toThrow(RangeError);
});

test("another key, and another truncation, give unrelated tokens", () => {
  const value = "a sentence long enough to make some thirty tokens of it";
  const other = new Set(trigramTokens(randomBytes(32), value, 48));
  expect(trigramTokens(key, value, 48).some((token) => other.has(token))).toBe(false);
  expect(exactToken(key, value)).not.toEqual(exactToken(randomBytes(32), value));
  const shortened = new Set(
    trigramTokens(key, value, 48).map((token) => Math.floor(Number(token) / 2 ** 36).toString()),
  );
  expect(trigramTokens(key, value, 12)).not.toEqual([...shortened].sort((a, b) => Number(a) - Number(b)));
});

test("a value too long to index, and a key of another length, are refused", () => {
  expect(() => trigramTokens(key, "x".repeat(4_097))).toThrow(IndexValueTooLong);
  expect(() => exactToken(key, "x".repeat(100_000))).toThrow(IndexValueTooLong);
  expect(() => exactToken(randomBytes(16), "x")).toThrow(KeyInvalid);
  expect(() => trigramQueryTokens(randomBytes(16), "xyz")).toThrow(KeyInvalid);
});
