import { expect, test } from "vitest";
import { dueWindow, nextState, notAfter } from "./reminder.ts";

const BERLIN = "Europe/Berlin";
const window = (kind: "prescription" | "appointment", now: string, zone: string) => {
  const { from, before } = dueWindow(kind, new Date(now), zone, 7);
  return [from.toISOString(), before.toISOString()];
};

test("a prescription is due from its last day on backwards, by the clinic's day and not by UTC's", () => {
  expect(window("prescription", "2026-11-28T12:00:00Z", "UTC")).toEqual([
    "2026-11-28T00:00:00.000Z",
    "2026-12-06T00:00:00.000Z",
  ]);
  // It is the 29th in Auckland, and still the 27th in Honolulu.
  expect(window("prescription", "2026-11-28T12:00:00Z", "Pacific/Auckland")[0]).toBe(
    "2026-11-29T00:00:00.000Z",
  );
  expect(window("prescription", "2026-11-28T08:00:00Z", "Pacific/Honolulu")[0]).toBe(
    "2026-11-27T00:00:00.000Z",
  );
  const ends = notAfter("prescription", new Date("2026-10-25T00:00:00Z"), BERLIN);
  expect(ends.toISOString()).toBe("2026-10-25T23:00:00.000Z"); // a day of 25 hours
});

test("an appointment is due until the end of tomorrow, also where clocks change in between", () => {
  expect(window("appointment", "2026-10-24T20:00:00Z", BERLIN)).toEqual([
    "2026-10-24T20:00:00.000Z",
    "2026-10-25T23:00:00.000Z",
  ]);
  expect(window("appointment", "2026-03-28T12:00:00Z", BERLIN)[1]).toBe("2026-03-29T22:00:00.000Z");
  expect(window("appointment", "2026-10-24T22:30:00Z", BERLIN)[1]).toBe("2026-10-26T23:00:00.000Z");
});

test.each([
  ["waiting", true, "waiting"],
  ["waiting", false, "gone"],
  ["waiting", null, "gone"],
  ["announced", true, "announced"],
  ["announced", false, "withdrawn"],
  ["announced", null, "withdrawn"],
  ["withdrawn", true, "waiting"],
  ["withdrawn", false, "withdrawn"],
  ["withdrawn", null, "gone"],
] as const)("what is %s, of a row that stands (%s), becomes %s", (state, stands, next) => {
  expect(nextState(state, stands)).toBe(next);
});
