import { expect, test } from "vitest";
import { expired, type Kept, nextDue, notBefore, type Plan, patternFault } from "./schedule.ts";

const NOW = new Date("2026-03-27T12:00:00Z");

test.each([
  ["30 2 * * *", null],
  ["*/5 * * * *", null],
  ["0 3 * * sun", null],
  ["0 3 1 * *", null],
  ["*/4 * * * *", "may be due at most every 5 minutes"],
  ["0,4 3 * * *", "may be due at most every 5 minutes"],
  ["0 0 30 2 *", "names a time that never comes"],
  ["61 2 * * *", "must be a pattern of cron"],
  ["30 2 * *", "must be a pattern of cron"],
  ["0 30 2 * * *", "must be a pattern of cron"],
  ["at half past two", "must be a pattern of cron"],
])("the pattern %s is taken, or refused in words", (pattern, fault) => {
  const found = patternFault(pattern, "Europe/Berlin", NOW);
  expect(found === null ? null : found.startsWith(fault ?? "?")).toBe(fault === null ? null : true);
});

test("a pattern is due at that time of its zone, once on the days on which clocks are changed", () => {
  const due: string[] = [];
  for (let at: Date | null = NOW; at && due.length < 3; ) {
    at = nextDue("30 2 * * *", "Europe/Berlin", at);
    due.push(at?.toISOString() ?? "");
  }
  // On 29 March there is no half past two there: the clock goes from 2 to 3, when it is due.
  expect(due).toEqual(["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]);
  expect(nextDue("30 2 * * *", "UTC", new Date("2026-01-01T02:30:00Z"))).toEqual(
    new Date("2026-01-02T02:30:00Z"),
  );
  expect(nextDue(null, "UTC", NOW)).toBeNull();
});

test("what failed is tried again after 15 minutes, then more rarely, and never before it is due", () => {
  const lastAt = new Date(NOW.getTime() + 60_000);
  const minutes = [0, 1, 2, 3, 5, 6, 1_000].map(
    (count) => (notBefore(NOW, { count, lastAt: count ? lastAt : null }).getTime() - NOW.getTime()) / 60_000,
  );
  expect(minutes).toEqual([0, 16, 31, 61, 241, 241, 241]);
  expect(notBefore(NOW, { count: 1, lastAt: new Date(0) })).toEqual(NOW);
});

const PLAN: Plan = {
  ...{ cron: null, verifyCron: null, timeZone: "Europe/Berlin" },
  ...{ keepDaily: 3, keepWeekly: 2, keepMonthly: 2 },
};
const made = (at: string, over: Partial<Kept> = {}): Kept => ({
  ...{ id: at, createdAt: new Date(at), scheduled: true, isVerified: false, ...over },
});
const deleted = (backups: readonly Kept[], plan: Partial<Plan> = {}) =>
  expired(backups, { ...PLAN, ...plan }).map(({ id }) => id);

test("kept are the newest of the newest days, weeks and months of the zone that have one", () => {
  const backups = [
    "2026-03-27T23:30:00Z", // 28 March in Berlin
    "2026-03-27T10:00:00Z",
    "2026-03-27T01:00:00Z",
    "2026-03-24T01:00:00Z",
    "2026-03-23T01:00:00Z", // Monday, of the same week
    "2026-03-22T01:00:00Z", // Sunday, of the week before
    "2026-03-20T01:00:00Z",
    "2026-02-28T23:30:00Z", // 1 March in Berlin
    "2026-02-28T01:00:00Z",
    "2026-01-31T01:00:00Z",
  ].map((at) => made(at));
  expect(deleted(backups)).toEqual([
    "2026-03-27T01:00:00Z",
    "2026-03-23T01:00:00Z",
    "2026-03-20T01:00:00Z",
    "2026-02-28T23:30:00Z",
    "2026-01-31T01:00:00Z",
  ]);
});

test("the newest whole one and the newest that was found good stay, whatever is to be kept", () => {
  const none = { keepDaily: 0, keepWeekly: 0, keepMonthly: 0 };
  const backups = [
    made("2026-03-27T01:00:00Z"),
    made("2026-03-26T01:00:00Z"),
    made("2026-03-25T01:00:00Z", { isVerified: true }),
    made("2026-03-24T01:00:00Z", { isVerified: true }),
  ];
  expect(deleted(backups, none)).toEqual(["2026-03-26T01:00:00Z", "2026-03-24T01:00:00Z"]);
  expect(deleted([], none)).toEqual([]);
});

test("what somebody made by hand is not deleted, and takes no place of the schedule's", () => {
  const byHand = { scheduled: false };
  const backups = [
    made("2026-03-27T11:00:00Z", byHand),
    made("2026-03-27T01:00:00Z"),
    made("2026-03-26T01:00:00Z"),
    made("2020-01-01T01:00:00Z", byHand),
  ];
  expect(deleted(backups, { keepDaily: 1, keepWeekly: null, keepMonthly: null })).toEqual([
    "2026-03-26T01:00:00Z",
  ]);
});

test("nothing is deleted while no number is set", () => {
  const backups = [made("2026-03-27T01:00:00Z"), made("2020-01-01T01:00:00Z")];
  expect(deleted(backups, { keepDaily: null, keepWeekly: null, keepMonthly: null })).toEqual([]);
});
