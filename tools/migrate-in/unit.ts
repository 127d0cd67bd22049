import { SourceRefused } from "./row.ts";

/** There is more to come before this unit can be read. */
class NeedMore extends Error {}

/** The text from `at` on; `isEnd`: nothing follows it. */
export interface Window {
  readonly text: string;
  at: number;
  readonly isEnd: boolean;
}

/** Of one row with all its cells: a file of 16 MiB, as hex, and as much again. */
export const MAX_UNIT_CHARS = 64 * 1024 * 1024;
/** Shared, since where it was thrown says nothing. */
const NEED_MORE = new NeedMore();

/** Asks for more text. Throws SourceRefused where there is none: the file was cut. */
export function needMore(window: Window): never {
  if (window.isEnd)
    throw new SourceRefused("the source was cut: it ends within a row or statement. Copy it again, whole.");
  throw NEED_MORE;
}

/**
 * Reads a text in units (a row, the head of a statement), of which `next` takes one and moves `at`
 * behind it; null: nothing but blanks is left. What does not fit into memory is never held: one
 * unit at a time, and each is read again only when the text at hand has doubled.
 * @param chunks of Latin-1 text
 */
export async function* unitsOf<T>(
  chunks: AsyncIterable<string>,
  next: (window: Window) => T | null,
): AsyncGenerator<T, void> {
  const source = chunks[Symbol.asyncIterator]();
  let window: Window = { text: "", at: 0, isEnd: false };
  for (;;) {
    const start = window.at;
    try {
      const unit = next(window);
      if (unit === null) return;
      yield unit;
    } catch (error) {
      if (!(error instanceof NeedMore)) throw error;
      window = await filled(source, window.text.slice(start));
    }
  }
}

async function filled(source: AsyncIterator<string>, rest: string): Promise<Window> {
  if (rest.length > MAX_UNIT_CHARS)
    throw new SourceRefused(
      `a row is longer than ${MAX_UNIT_CHARS / 2 ** 20} MiB; is a quote or a parenthesis left open?`,
    );
  const parts = [rest];
  let added = 0;
  while (added <= rest.length) {
    const { value, done } = await source.next();
    if (done) return { text: parts.join(""), at: 0, isEnd: true };
    parts.push(value);
    added += value.length;
  }
  return { text: parts.join(""), at: 0, isEnd: false };
}
