import type { SensitiveField } from "@medvault/contracts";

/**
 * Shorter values look like too many other things: they are found only where an identifier stands.
 */
const MIN_FOUND = 5;
/** From here on a value is found inside a longer word as well (`ID900551234`). */
const MIN_INSIDE = 8;
/** Of a longer value its beginning is looked for: the lengths of values stay few. */
const MAX_COMPARED = 64;
/** What people write into a field that they leave empty, flat; it hides nothing. */
const FILLER = /^(un|not)known$|^none$|^na$|^notapplicable$|^missing$|^refused$|^masked$/;
/** A link holds one value, seldom two. */
const MAX_ROUNDS = 5;
/** Systems, codes and displays are the same few in thousands of resources. */
const MAX_SEEN = 10_000;
const MAX_SEEN_CHARS = 100;
const DATE = /^\d{4}-\d\d(-\d\d(T.*)?)?$/;
const LETTERS = "\\p{L}\\p{M}\\p{N}@";
const SEPARATORS = new RegExp(`[^${LETTERS}]+`, "gu");

export type Sensitive = readonly [SensitiveField, string];

/** The values of one person that an answer must not show, however they are spelled. */
export interface ClosedValues {
  /** Whether a text holds one of them, with other hyphens, blanks or case as well. */
  in(text: string): boolean;
  /** Whether a text, or a number, is one of them, of any length. */
  has(value: string | number): boolean;
  /** A text with each of them replaced. */
  replaced(text: string, by: string): string;
}

/**
 * Values of fields in `unmask` are open, wherever they stand. Looking takes time linear in the
 * text.
 */
export function closedValues(values: readonly Sensitive[], unmask: readonly SensitiveField[]): ClosedValues {
  const open = new Set<string>();
  for (const [field, value] of values) if (unmask.includes(field)) open.add(flat(value));
  const closed = new Set(
    values
      .map(([, value]) => flat(value))
      .filter((value) => value && !open.has(value) && !FILLER.test(value)),
  );
  const byStart = new Map<string, Map<number, Set<string>>>();
  for (const whole of closed) {
    if (whole.length < MIN_FOUND) continue;
    const value = whole.slice(0, MAX_COMPARED);
    const start = value.slice(0, MIN_FOUND);
    const lengths = byStart.get(start) ?? new Map<number, Set<string>>();
    byStart.set(start, lengths.set(value.length, (lengths.get(value.length) ?? new Set()).add(value)));
  }
  const starts = new Set([...byStart.keys()].map((start) => start.charCodeAt(0)));

  const find = (text: string): string | undefined => {
    if (starts.size === 0 || text.length < MIN_FOUND) return undefined;
    const searched = flat(text);
    for (let at = 0; at + MIN_FOUND <= searched.length; at++) {
      if (!starts.has(searched.charCodeAt(at))) continue;
      for (const [length, values] of byStart.get(searched.slice(at, at + MIN_FOUND)) ?? []) {
        const value = searched.slice(at, at + length);
        if (!values.has(value)) continue;
        if (length >= MIN_INSIDE || alone(value).test(text.normalize("NFKC"))) return value;
      }
    }
    return undefined;
  };
  const seen = new Map<string, boolean>();
  return {
    in: (text) => {
      const known = seen.get(text);
      if (known !== undefined) return known;
      const holds = find(text) !== undefined && !DATE.test(text);
      if (seen.size < MAX_SEEN && text.length <= MAX_SEEN_CHARS) seen.set(text, holds);
      return holds;
    },
    has: (value) => closed.has(flat(String(value))),
    replaced: (text, by) => {
      let left = text;
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const value = find(left);
        if (value === undefined) return left;
        left = left.replaceAll(new RegExp(pattern(value), "giu"), by);
      }
      return by;
    },
  };
}

const flat = (text: string): string => text.normalize("NFKC").toLowerCase().replace(SEPARATORS, "");

const pattern = (value: string): string => [...value].map((one) => RegExp.escape(one)).join(`[^${LETTERS}]*`);
const alone = (value: string): RegExp =>
  new RegExp(`(?<![${LETTERS}])${pattern(value)}(?![${LETTERS}])`, "iu");
