const DAY_MS = 86_400_000;
const FIRST = Date.parse("0001-01-01") / DAY_MS;
const LAST = Date.parse("9999-12-31") / DAY_MS;
const FORM = /^\d{4}-\d\d-\d\d$/;

// A century of days; what is asked for again and again is made once.
const MAX_REMEMBERED = 40_000;
const remembered = new Map<number, string>();

/** Days since 1970 of `YYYY-MM-DD`; null unless it is a day of the years 0001 to 9999. */
export function dayNumber(text: string): number | null {
  const day = FORM.test(text) ? Date.parse(text) / DAY_MS : Number.NaN;
  return day >= FIRST && dayText(day) === text ? day : null; // JavaScript takes 31 February
}

/** `YYYY-MM-DD` of a number of days since 1970; null outside of the years 0001 to 9999. */
export function dayText(day: number): string | null {
  const known = remembered.get(day);
  if (known !== undefined) return known;
  if (!(day >= FIRST && day <= LAST)) return null;
  const text = new Date(day * DAY_MS).toISOString().slice(0, 10);
  if (remembered.size === MAX_REMEMBERED) remembered.clear();
  remembered.set(day, text);
  return text;
}
