import { expect, test } from "vitest";
import { momentOf } from "./moment.ts";

test.each([
  ["2025-03-01 09:30:00", "YYYY-MM-DD HH:mm:ss", "UTC", "2025-03-01", "2025-03-01T09:30:00.000Z"],
  ["2025-07-01 09:30:00", "YYYY-MM-DD HH:mm:ss", "Europe/Berlin", "2025-07-01", "2025-07-01T07:30:00.000Z"],
  ["1.2.2025", "DD.MM.YYYY", null, "2025-02-01", null],
  ["02/28/1980", "MM/DD/YYYY", null, "1980-02-28", null],
  ["2025-03-01T00:30:00+05:30", "iso", null, "2025-03-01", "2025-02-28T19:00:00.000Z"],
  ["1980-05", "iso", null, "1980-05", null],
  ["1700000000", "unix", null, "2023-11-14", "2023-11-14T22:13:20.000Z"],
  // The hour that comes twice: the first of them. On the day before and after too, and in the south.
  ["2025-10-26 02:30:00", "YYYY-MM-DD HH:mm:ss", "Europe/Berlin", "2025-10-26", "2025-10-26T00:30:00.000Z"],
  ["2025-10-26 03:00:00", "YYYY-MM-DD HH:mm:ss", "Europe/Berlin", "2025-10-26", "2025-10-26T02:00:00.000Z"],
  [
    "2025-04-06 02:15:00",
    "YYYY-MM-DD HH:mm:ss",
    "Australia/Sydney",
    "2025-04-06",
    "2025-04-05T15:15:00.000Z",
  ],
])("%s as %s in %s is %s, %s", (text, format, zone, day, instant) => {
  expect(momentOf(text, format, zone)).toEqual({ day, instant });
});

test.each([
  ["31.02.2025", "DD.MM.YYYY", null, "bad_date"],
  ["2025-3-1x", "YYYY-MM-DD", null, "bad_date"],
  ["2025-03-01 25:00:00", "YYYY-MM-DD HH:mm:ss", "UTC", "bad_date"],
  ["2025-03-01 09:30:00", "YYYY-MM-DD HH:mm:ss", null, "no_time_zone"],
  ["2025-03-30 02:30:00", "YYYY-MM-DD HH:mm:ss", "Europe/Berlin", "skipped_time"],
  ["soon", "iso", null, "bad_date"],
  ["0000-00-00 00:00:00", "YYYY-MM-DD HH:mm:ss", "UTC", "bad_date"],
  ["99999999999999", "unix", null, "bad_date"],
  ["-1", "unix", null, "bad_date"],
])("%s as %s in %s is refused", (text, format, zone, code) => {
  expect(() => momentOf(text, format, zone)).toThrow(expect.objectContaining({ code }));
});
