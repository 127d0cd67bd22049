import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";
import { NotCanonicalJson } from "./errors.ts";

test("the example of RFC 8785 comes out as it stands there", () => {
  const value = {
    numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '€$\u000f\nA\'B"\\\\"/',
    literals: [null, true, false],
  };
  expect(canonicalJson(value)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test("keys are sorted by UTF-16 units, as RFC 8785 requires", () => {
  const keys = ["\u20ac", "\r", "\ufb33", "1", "\ud83d\ude00", "\u0080", "\u00f6"];
  const value = Object.fromEntries(keys.map((key, n) => [key, n + 1]));
  expect([...canonicalJson(value).matchAll(/:(\d)/g)].map((match) => match[1])).toEqual([
    "2",
    "4",
    "6",
    "7",
    "1",
    "5",
    "3",
  ]);
});

test("any JSON comes back equal, and canonical text stays as it is", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("what has no canonical form is refused, and the refusal does not quote it", () => {
  const cyclic: unknown[] = ["secret"];
  cyclic.push(cyclic);
  for (const value of [
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "secret \ud800",
    cyclic,
    () => 1,
    1n,
  ]) {
    expect(() => canonicalJson(value)).toThrow(NotCanonicalJson);
  }
  expect(() => canonicalJson({ name: "secret \udc00" })).toThrow(/^the value has no canonical JSON form$/);
});
