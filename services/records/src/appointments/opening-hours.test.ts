import { expect, test } from "vitest";
import { freeSlots, type Hours, isOpen, openingsBetween, parseHours } from "./opening-hours.ts";

const BERLIN = "Europe/Berlin";
const HOUR_MS = 3_600_000;
const hoursOf = (text: string): Hours => {
  const hours = parseHours(text);
  if (!hours) throw new Error(text);
  return hours;
};
const WEEK = hoursOf("Mon-Fri 08:00-12:00,13:00-18:00; Sat 09:00-12:00");
const iso = (spans: readonly { from: number; to: number }[]) =>
  spans.map(({ from, to }) =>
    [from, to].map((moment) => new Date(moment).toISOString().slice(5, 16)).join(" "),
  );
const between = (hours: Hours, from: string, to: string, zone = BERLIN) =>
  openingsBetween(hours, zone, Date.parse(from), Date.parse(to));

test("hours are said by days and times; a day that is named nowhere is closed", () => {
  expect(WEEK[0]).toEqual([]);
  expect(WEEK[6]).toEqual([{ from: 540, to: 720 }]);
  expect(WEEK[3]).toHaveLength(2);
  expect(hoursOf("Sat-Mon 00:00-24:00").map((day) => day.length)).toEqual([1, 1, 0, 0, 0, 0, 1]);
});

test.each([
  "",
  "Mon",
  "Mon 8-12",
  "Mon 12:00-08:00",
  "Mon 08:00-25:00",
  "Mon 08:00-24:30",
  "Noon 08:00-12:00",
  "Mon-Tue-Wed 08:00-12:00",
  "Mon 08:00-12:00,11:00-13:00",
  "Mon 08:00-12:00; Mon 11:00-13:00",
  "Mon 08:00-12:00;",
])("hours that say nothing clear are refused: %j", (text) => {
  expect(parseHours(text)).toBeNull();
});

test("openings keep to the clock on the wall, summer and winter", () => {
  expect(iso(between(WEEK, "2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z"))).toEqual([
    "03-27T07:00 03-27T11:00",
    "03-27T12:00 03-27T17:00",
    "03-28T08:00 03-28T11:00",
    "03-30T06:00 03-30T10:00",
    "03-30T11:00 03-30T16:00",
  ]);
});

test("a night when clocks change is an hour shorter or longer", () => {
  const nights = hoursOf("Sun 00:00-06:00");
  const length = (date: string) => {
    const [one] = between(nights, `${date}T00:00:00Z`, `${date}T05:00:00Z`);
    return ((one?.to ?? 0) - (one?.from ?? 0)) / HOUR_MS;
  };
  expect(["2026-03-29", "2026-10-25", "2026-11-29"].map(length)).toEqual([5, 7, 6]);
  // Its opening is a time that no clock shows, or two do.
  const early = hoursOf("Sun 02:30-04:00");
  expect(iso(between(early, "2026-03-29T00:00:00Z", "2026-03-29T10:00:00Z"))).toEqual([
    "03-29T01:30 03-29T02:00",
  ]);
  expect(iso(between(early, "2026-10-25T00:00:00Z", "2026-10-25T10:00:00Z"))).toEqual([
    "10-25T00:30 10-25T03:00",
  ]);
  const never = hoursOf("Sun 02:00-03:00");
  expect(between(never, "2026-03-29T00:00:00Z", "2026-03-29T10:00:00Z")).toEqual([]);
});

test("who is open past midnight is open at midnight", () => {
  const always = hoursOf("Sun-Sat 00:00-24:00");
  const at = Date.parse("2026-11-28T22:30:00Z");
  expect(isOpen(always, BERLIN, at, at + HOUR_MS)).toBe(true);
  expect(isOpen(WEEK, BERLIN, at, at + HOUR_MS)).toBe(false);
});

test("an appointment is within the hours only as a whole", () => {
  const open = (from: string, to: string) => isOpen(WEEK, BERLIN, Date.parse(from), Date.parse(to));
  expect(open("2026-11-30T11:30:00+01:00", "2026-11-30T12:00:00+01:00")).toBe(true);
  expect(open("2026-11-30T11:30:00+01:00", "2026-11-30T12:01:00+01:00")).toBe(false);
  expect(open("2026-11-30T11:30:00+01:00", "2026-11-30T13:30:00+01:00")).toBe(false);
  expect(open("2026-11-29T11:00:00+01:00", "2026-11-29T11:30:00+01:00")).toBe(false);
});

test("free slots touch nothing that is busy, are whole, and have not begun", () => {
  const opening = { from: 0, to: 10 };
  const asked = { from: 0, to: 100, lengthMs: 3, most: 10 };
  expect(freeSlots([opening], [], asked)).toEqual([
    { from: 0, to: 3 },
    { from: 3, to: 6 },
    { from: 6, to: 9 },
  ]);
  expect(freeSlots([opening], [{ from: 4, to: 5 }], asked).map(({ from }) => from)).toEqual([0, 6]);
  expect(freeSlots([opening], [{ from: 3, to: 6 }], asked).map(({ from }) => from)).toEqual([0, 6]);
  expect(freeSlots([opening], [], { ...asked, from: 1 }).map(({ from }) => from)).toEqual([3, 6]);
  expect(freeSlots([opening], [], { ...asked, to: 8 }).map(({ from }) => from)).toEqual([0, 3]);
  expect(freeSlots([opening], [], { ...asked, most: 1 })).toHaveLength(1);
});
