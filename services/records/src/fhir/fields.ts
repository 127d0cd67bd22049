/** Elements of FHIR as they lie in an original: open, and not looked at before they are changed. */
export type Fields = Record<string, unknown>;

/**
 * The elements with one of them set, or without it where that is undefined. What stands beside the
 * former value (`_birthDate`: its time of day, its parts) goes with it.
 */
export function withElement<T extends Fields>(fields: T, key: string, value: unknown): T {
  const others = Object.entries(fields).filter(([name]) => name !== `_${key}`);
  if (value === undefined) return Object.fromEntries(others.filter(([name]) => name !== key)) as T;
  // In the place where it was, so that exports are easily compared.
  return { ...Object.fromEntries(others), [key]: value } as unknown as T;
}

/** A list of elements, or none where the original has no list there. */
export function elements(fields: Fields, key: string): Fields[] {
  const list = fields[key];
  return Array.isArray(list) ? (list as Fields[]) : [];
}

/** A list, without those that are undefined; undefined itself when it is empty, as FHIR has it. */
export function listOf(items: readonly unknown[]): unknown[] | undefined {
  const there = items.filter((item) => item !== undefined);
  return there.length > 0 ? there : undefined;
}

/** A list with one item replaced, or without it where that is undefined. */
export const withItem = (list: readonly unknown[], at: number, item: unknown): unknown[] | undefined =>
  listOf(list.map((one, index) => (index === at ? item : one)));
