const BIRTH = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/;
const DAYS_IN_400_YEARS = 146_097;

/**
 * The days between the first of March of the year 0 and `YYYY-MM-DD`: 22 bits for all years of four
 * digits (Howard Hinnant, "chrono-compatible low-level date algorithms"). Throws RangeError.
 */
export function dayOf(text: string): number {
  const [year, month, day] = [number(text, 0, 4), number(text, 5, 7), number(text, 8, 10)];
  if (!(year + month + day >= 0) || text.length !== 10) throw new RangeError("a day is YYYY-MM-DD");
  const shifted = (month + 9) % 12; // the year begins with March, so that leap days come last
  const years = year - (month <= 2 ? 1 : 0);
  const before = 365 * years + Math.floor(years / 4) - Math.floor(years / 100) + Math.floor(years / 400);
  return Math.max(0, before + Math.floor((153 * shifted + 2) / 5) + day - 1);
}

/** NaN for what is none. */
function number(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    value = digit >= 0 && digit <= 9 ? 10 * value + digit : Number.NaN;
  }
  return value;
}

/** `YYYY-MM-DD` */
export function textOfDay(day: number): string {
  const era = Math.floor(day / DAYS_IN_400_YEARS);
  const ofEra = day - era * DAYS_IN_400_YEARS;
  const ofYears =
    ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096);
  const year = Math.floor(ofYears / 365);
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const shifted = Math.floor((5 * ofYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const parts = [
    year + 400 * era + (month <= 2 ? 1 : 0),
    month,
    ofYear - Math.floor((153 * shifted + 2) / 5) + 1,
  ];
  return parts.map((part, at) => String(part).padStart(at === 0 ? 4 : 2, "0")).join("-");
}

/** A year, a month or a day of birth as a number; 0 for what is none. */
export function birthNumber(text: string | null): number {
  const [, year, month = "0", day = "0"] = BIRTH.exec(text ?? "") ?? [];
  return year ? (Number(year) * 100 + Number(month)) * 100 + Number(day) + 1 : 0;
}
