import { expect, test } from "vitest";
import { Progress } from "./progress.ts";

test("progress is of what is expected, and never whole before the end", () => {
  const progress = new Progress();
  expect(progress.percent).toBeNull();
  progress.expect(1_000);
  expect(progress.percent).toBe(0);
  const share = progress.share(500);
  share.add(250);
  expect(progress.percent).toBe(25);
  share.add(5_000); // a copy may have more bytes than its table
  expect(progress.percent).toBe(50);
  share.end();
  expect(progress.percent).toBe(50);
  progress.share(500).end();
  expect(progress.percent).toBe(99);
});
