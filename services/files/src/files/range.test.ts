import { expect, test } from "vitest";
import { parseRange } from "./range.ts";

test.each([
  ["bytes=0-0", { start: 0, end: 1 }],
  ["bytes=0-99", { start: 0, end: 100 }],
  ["bytes=10-", { start: 10, end: 100 }],
  ["bytes=90-1000", { start: 90, end: 100 }],
  ["bytes=-10", { start: 90, end: 100 }],
  ["bytes=-1000", { start: 0, end: 100 }],
  ["BYTES=99-99", { start: 99, end: 100 }],
])("of 100 bytes %s is one part", (header, part) => {
  expect(parseRange(header, 100)).toEqual(part);
});

test.each(["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=9999999999999999999-"])(
  "of 100 bytes %s is beyond the end",
  (header) => {
    expect(parseRange(header, 100)).toBe("unsatisfiable");
  },
);

test.each([
  undefined,
  "",
  "bytes=",
  "bytes=-",
  "bytes=5-2",
  "bytes=a-b",
  "lines=0-1",
  "bytes=0-1,3-4",
  "bytes=0x1-2",
  "bytes=1e2-",
  "bytes=--5",
])("%s is ignored and everything is sent", (header) => {
  expect(parseRange(header, 100)).toBeNull();
});

test("of an empty body no part can be had", () => {
  expect(parseRange("bytes=0-", 0)).toBe("unsatisfiable");
  expect(parseRange("bytes=-5", 0)).toBe("unsatisfiable");
});
