/** What a calendar shows of an appointment: when it is, and whether it is agreed. */
export interface CalendarEntry {
  readonly id: string;
  readonly rev: number;
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly updatedAt: Date;
  readonly isAgreed: boolean;
}

const MAX_LINE_BYTES = 75;

/**
 * A line as RFC 5545, 3.1 has it: at most 75 bytes, which end at a character's end; it goes on
 * after a blank in the next.
 */
export function folded(line: string): string {
  const lines: string[] = [];
  let [part, bytes] = ["", 0];
  for (const character of line) {
    const length = Buffer.byteLength(character);
    if (bytes + length > MAX_LINE_BYTES) {
      lines.push(part);
      [part, bytes] = [" ", 1];
    }
    part += character;
    bytes += length;
  }
  return [...lines, part].join("\r\n");
}

/** A moment in UTC, so that no time zone has to be described. */
const utc = (at: Date): string => `${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;

/** An iCalendar file (RFC 5545): times, and the one word for all of them. */
export function calendarOf(entries: readonly CalendarEntry[]): string {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//MedVault//Appointments//EN",
    "CALSCALE:GREGORIAN",
    "METHOD:PUBLISH",
    "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    "X-PUBLISHED-TTL:PT1H",
    ...entries.flatMap((entry) => [
      "BEGIN:VEVENT",
      `UID:${entry.id}@medvault.invalid`,
      `SEQUENCE:${entry.rev - 1}`,
      `DTSTAMP:${utc(entry.updatedAt)}`,
      `DTSTART:${utc(entry.startsAt)}`,
      `DTEND:${utc(entry.endsAt)}`,
      "SUMMARY:Appointment",
      `STATUS:${entry.isAgreed ? "CONFIRMED" : "TENTATIVE"}`,
      "CLASS:PRIVATE",
      "END:VEVENT",
    ]),
    "END:VCALENDAR",
  ];
  return lines.map((line) => `${folded(line)}\r\n`).join("");
}
