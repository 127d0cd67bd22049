import fc from "fast-check";
import { expect, test } from "vitest";
import { plainPaddedLength } from "../test/plain-padding.ts";
import { ownVectors } from "../test/shared-data.ts";
import { canonicalJson } from "./canonical-json.ts";
import { FieldOutOfRange } from "./errors.ts";
import { paddedJson, paddedLength, paddedLengths } from "./padding.ts";

const GIB = 2 ** 30;

test("both implementations give the published lengths", () => {
  for (const { bytes, padded } of ownVectors<{ bytes: number; padded: number }[]>("padding")) {
    expect(paddedLength(bytes), `${bytes}`).toBe(padded);
    expect(plainPaddedLength(bytes), `${bytes}`).toBe(padded);
  }
});

test("a length rises by an eighth of a doubling at most, agrees with the second implementation, and stays once padded", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: GIB }), (bytes) => {
      const padded = paddedLength(bytes);
      expect(padded).toBe(plainPaddedLength(bytes));
      expect(padded).toBeGreaterThanOrEqual(bytes);
      if (bytes > 1_536) expect(padded - bytes).toBeLessThan(bytes / 8);
      expect(paddedLength(padded)).toBe(padded);
    }),
  );
});

test("there are 159 lengths up to 1 GiB, each a padded one, and between two there is none", () => {
  const lengths = paddedLengths();
  expect(lengths.slice(0, 6)).toEqual([576, 768, 1_536, 1_664, 1_792, 1_920]);
  expect(lengths.at(-1)).toBe(GIB);
  expect(lengths).toHaveLength(159);
  for (const [at, length] of lengths.entries()) {
    expect(paddedLength(length)).toBe(length);
    expect(paddedLength((lengths[at - 1] ?? -1) + 1)).toBe(length);
  }
});

test("padded JSON parses to what it was, in as many bytes as its padded length", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      const padded = paddedJson(text);
      expect(padded.length).toBe(paddedLength(Buffer.byteLength(text)));
      expect(padded.toString("utf8").trimEnd()).toBe(text.trimEnd());
      expect(canonicalJson(JSON.parse(padded.toString("utf8")))).toBe(text);
    }),
  );
});

test("a length that no plaintext has is refused", () => {
  for (const bytes of [-1, 0.5, Number.NaN, GIB + 1]) {
    expect(() => paddedLength(bytes)).toThrow(FieldOutOfRange);
  }
});
