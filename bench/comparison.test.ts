import { expect, test } from "vitest";
import { compare } from "./comparison.ts";
import type { Finding } from "./rounds.ts";

const finding = (name: string, unit: Finding["unit"], measured: number, limit = {}): Finding => ({
  ...{ name, unit, measured },
  ...limit,
});
const verdicts = (was: Finding[], is: Finding[]) => compare(was, is).map(({ verdict }) => verdict);

test("a ratio that fell and a count that rose beyond the tolerance are worse, the other way better", () => {
  const was = [finding("share", "ratio", 0.25), finding("statements", "count", 2)];
  const at = (share: number, statements: number) =>
    verdicts(was, [finding("share", "ratio", share), finding("statements", "count", statements)]);
  expect(at(0.25, 2)).toEqual(["same", "same"]);
  expect(at(0.21, 2.4)).toEqual(["same", "same"]);
  expect(at(0.19, 2.6)).toEqual(["worse", "worse"]);
  expect(at(0.31, 1.4)).toEqual(["better", "better"]);
});

test("a ratio with an upper limit is worse when it rises, and a count of nothing may be a little", () => {
  const limit = { atMost: 1 };
  expect(verdicts([finding("a", "ratio", 0.5, limit)], [finding("a", "ratio", 0.7, limit)])).toEqual([
    "worse",
  ]);
  expect(verdicts([finding("b", "count", 0)], [finding("b", "count", 0.1)])).toEqual(["same"]);
  expect(verdicts([finding("b", "count", 0)], [finding("b", "count", 0.2)])).toEqual(["worse"]);
});

test("a number that depends on the machine, and one that is in one of both only, is not compared", () => {
  const was = [finding("time", "ms", 1), finding("rate", "/s", 900), finding("gone", "ratio", 1)];
  expect(
    compare(was, [finding("time", "ms", 9), finding("rate", "/s", 1), finding("new", "ratio", 1)]),
  ).toEqual([]);
});
