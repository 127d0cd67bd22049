import { expect, test } from "vitest";
import { nextReminderAt, parseReminderHours, type ReminderHours } from "./reminder-hours.ts";

const hours = (text: string) => parseReminderHours(text) as ReminderHours;
const next = (now: string, zone: string, text = "08:00-20:00") =>
  nextReminderAt(new Date(now), zone, hours(text)).toISOString();

test.each([
  ["2026-11-28T12:00:00Z", "UTC", "2026-11-28T12:00:00.000Z"],
  ["2026-11-28T07:59:59Z", "UTC", "2026-11-28T08:00:00.000Z"],
  ["2026-11-28T20:00:00Z", "UTC", "2026-11-29T08:00:00.000Z"],
  // In Tokyo it is 21:00, in New York seven in the morning.
  ["2026-11-28T12:00:00Z", "Asia/Tokyo", "2026-11-28T23:00:00.000Z"],
  ["2026-11-28T12:00:00Z", "America/New_York", "2026-11-28T13:00:00.000Z"],
  ["2026-11-28T12:00:00Z", "Asia/Kathmandu", "2026-11-28T12:00:00.000Z"],
])("at %s somebody in %s is reminded at %s", (now, zone, at) => {
  expect(next(now, zone)).toBe(at);
});

test("on days when clocks change people are reminded at the time that their clock shows", () => {
  // The night to 25 October has an hour more, that to 29 March one less.
  expect(next("2026-10-24T20:00:00Z", "Europe/Berlin")).toBe("2026-10-25T07:00:00.000Z");
  expect(next("2026-03-28T20:00:00Z", "Europe/Berlin")).toBe("2026-03-29T06:00:00.000Z");
});

test("hours that begin at a time that a clock shows twice, or never, begin once and to come", () => {
  const night = "02:30-04:00";
  expect(next("2026-10-24T22:00:00Z", "Europe/Berlin", night)).toBe("2026-10-25T00:30:00.000Z");
  // 02:10 for the second time: the first 02:30 is over.
  expect(next("2026-10-25T01:10:00Z", "Europe/Berlin", night)).toBe("2026-10-25T01:30:00.000Z");
  expect(next("2026-03-28T23:00:00Z", "Europe/Berlin", night)).toBe("2026-03-29T01:30:00.000Z");
});

test("what is no time of day, ends before it begins, or is short is refused", () => {
  expect(hours("00:00-24:00")).toEqual({ from: 0, to: 1440 });
  for (const text of ["", "8-20", "20:00-08:00", "08:00-08:30", "08:00-24:30", "25:00-26:00", "08:60-20:00"])
    expect(parseReminderHours(text)).toBeNull();
});
