import { expect, test } from "vitest";
import { calendarOf, folded } from "./calendar.ts";

test("a line is at most 75 bytes, ends at a character's end, and unfolds to what it was", () => {
  for (const line of [
    "",
    "x".repeat(75),
    "x".repeat(76),
    "x".repeat(500),
    "ü".repeat(200),
    "🩺".repeat(90),
  ]) {
    const lines = folded(line).split("\r\n");
    for (const one of lines) expect(Buffer.byteLength(one)).toBeLessThanOrEqual(75);
    expect(lines.join("\r\n").replaceAll("\r\n ", "")).toBe(line);
  }
});

test("a calendar says when, in UTC, and whether it is agreed", () => {
  const entry = {
    id: "019b0000-0000-7000-8000-000000000001",
    rev: 3,
    startsAt: new Date("2026-12-01T09:00:00.500Z"),
    endsAt: new Date("2026-12-01T09:30:00Z"),
    updatedAt: new Date("2026-11-01T00:00:00Z"),
    isAgreed: false,
  };
  const text = calendarOf([entry]);
  expect(text).toMatch(/^BEGIN:VCALENDAR\r\nVERSION:2\.0\r\nPRODID:/);
  expect(text).toContain(
    "SEQUENCE:2\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20261201T090000Z\r\nDTEND:20261201T093000Z",
  );
  expect(text).toContain("SUMMARY:Appointment\r\nSTATUS:TENTATIVE\r\n");
  expect(text.endsWith("END:VEVENT\r\nEND:VCALENDAR\r\n")).toBe(true);
  expect(text.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
});
