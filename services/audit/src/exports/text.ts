/** Control characters, and what some readers take for the end of a line. */
const BREAKS = /[\p{Cc}\u2028\u2029]+/gu;

/** One line of plain text; null where nothing is left. User agents and subjects hold anything. */
export function oneLine(text: string | null): string | null {
  return text?.replace(BREAKS, " ").trim() || null;
}

/** The fields that say something. */
export function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<T>;
}
