import { expect, test } from "vitest";
import { assertJobs, dueSince, type Job, waitMs } from "./job.ts";

const NOW = new Date("2026-03-29T01:30:00Z");
const job = (over: Partial<Job>): Job => ({ name: "sweep", every: 60_000, run: async () => {}, ...over });

test("a pause varies by a tenth, so that replicas do not march in step", () => {
  expect([0, 0.5, 1].map((random) => waitMs(job({}), NOW, random))).toEqual([54_000, 60_000, 66_000]);
});

test("a pattern is read in UTC, whatever the clocks of a country do that night", () => {
  const nightly = job({ every: "0 2 * * *" });
  expect(waitMs(nightly, NOW, 0.5)).toBe(30 * 60_000);
  expect(dueSince(nightly, NOW)).toEqual(new Date("2026-03-28T01:59:59.999Z"));
  expect(dueSince(job({}), NOW)).toEqual(new Date("2026-03-29T01:29:12.000Z"));
});

test.each([
  ["two of one name", [job({}), job({})], "two jobs are called sweep"],
  ["a name that no label could hold", [job({ name: "Sweep it" })], "Sweep it"],
  ["no pause at all", [job({ every: 0 })], "the job sweep needs a pause"],
  ["a pause that is not a number", [job({ every: Number.NaN })], "the job sweep needs a pause"],
  ["no pattern", [job({ every: "every day" })], "the job sweep needs a pause"],
  ["a day that never comes", [job({ every: "0 0 30 2 *" })], "the job sweep needs a pause"],
])("%s is refused at the start, by name", (_what, jobs, message) => {
  expect(() => assertJobs(jobs)).toThrow(message);
});
