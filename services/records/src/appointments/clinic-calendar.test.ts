import { isTimeZone, momentOf, momentsOf, wallTimeAt } from "@medvault/contracts";
import { expect, test } from "vitest";
import { dayOf, periodOf } from "./clinic-calendar.ts";

const BERLIN = "Europe/Berlin";
const shown = (text: string) => Date.parse(`${text}Z`);
const iso = (moments: number[]) => moments.map((moment) => new Date(moment).toISOString());

test("on the day when clocks go back there are two 02:30s, and when they go forward there is none", () => {
  expect(iso(momentsOf(shown("2026-10-25T02:30:00"), BERLIN))).toEqual([
    "2026-10-25T00:30:00.000Z",
    "2026-10-25T01:30:00.000Z",
  ]);
  expect(momentsOf(shown("2026-03-29T02:30:00"), BERLIN)).toEqual([]);
  // The clock from before would have called this moment 02:30; now it is 03:30.
  const moment = momentOf(shown("2026-03-29T02:30:00"), BERLIN);
  expect(new Date(moment).toISOString()).toBe("2026-03-29T01:30:00.000Z");
  expect(wallTimeAt(moment, BERLIN)).toBe(shown("2026-03-29T03:30:00"));
});

test.each([
  [BERLIN, "2026-03-29", 23],
  [BERLIN, "2026-10-25", 25],
  [BERLIN, "2026-11-28", 24],
  ["America/New_York", "2026-11-01", 25],
  ["Australia/Lord_Howe", "2026-04-05", 24.5],
  ["America/Sao_Paulo", "2018-11-04", 23], // its midnight did not happen
  ["Asia/Kathmandu", "2026-06-01", 24],
  ["UTC", "2026-03-29", 24],
])("in %s the day %s has %d hours", (zone, date, hours) => {
  const { from, to } = dayOf(date, zone);
  expect((to.getTime() - from.getTime()) / 3_600_000).toBe(hours);
});

test("each half hour around a change of clocks leads back to itself from what a clock shows", () => {
  for (const zone of [BERLIN, "America/New_York", "Pacific/Auckland"]) {
    for (const change of ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-25", "2026-11-01"]) {
      const noon = shown(`${change}T12:00:00`);
      for (let at = noon - 86_400_000; at < noon + 86_400_000; at += 1_800_000)
        expect(momentsOf(wallTimeAt(at, zone), zone), `${zone} ${at}`).toContain(at);
    }
  }
});

test("a period of days includes both; one of moments ends before its last; the ends of time stay in it", () => {
  expect(periodOf({ from: "2026-11-28", to: "2026-11-28" }, BERLIN)).toEqual({
    from: "2026-11-27T23:00:00.000Z",
    to: "2026-11-28T23:00:00.000Z",
  });
  const at = "2026-11-28T10:00:00+01:00";
  expect(periodOf({ from: at, to: at }, BERLIN)).toEqual({
    from: "2026-11-28T09:00:00.000Z",
    to: "2026-11-28T09:00:00.000Z",
  });
  expect(periodOf({}, BERLIN)).toEqual({});
  const { from, to } = periodOf({ from: "0001-01-01", to: "9999-12-31" }, BERLIN);
  expect([from, to]).toEqual(["0001-01-01T00:00:00.000Z", "9999-12-31T23:00:00.000Z"]);
  expect(periodOf({ to: "9999-12-31" }, "America/New_York")).toEqual({ to: "9999-12-31T23:59:59.000Z" });
});

test("a time zone is one of the database, or none", () => {
  expect(["UTC", BERLIN, "Asia/Kathmandu"].filter(isTimeZone)).toHaveLength(3);
  expect(["", "Mars/Olympus", "UTC+25", "../etc"].filter(isTimeZone)).toEqual([]);
});
