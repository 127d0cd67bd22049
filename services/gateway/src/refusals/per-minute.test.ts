import { expect, test } from "vitest";
import { PerMinute } from "./per-minute.ts";

test("each key has its points a minute, and all of them again in the next", () => {
  let now = 1_000;
  const limit = new PerMinute(2, () => now);
  const take = (key: string) => limit.take(key);
  expect([take("a"), take("a"), take("a"), take("b")]).toEqual([true, true, false, true]);
  now += 59_999;
  expect(take("a")).toBe(false);
  now += 1;
  expect([take("a"), take("a"), take("a")]).toEqual([true, true, false]);
});
