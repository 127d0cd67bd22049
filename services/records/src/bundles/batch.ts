import { setImmediate as yieldLoop } from "node:timers/promises";

/**
 * Rows in one statement of an import. The driver turns a statement's boxes into text in one go:
 * 1,000 take 25 ms.
 */
const BATCH_ROWS = 1_000;
/**
 * Items between two yields to the event loop: 200 of the slowest kind (opening a box, mapping) take
 * some 10 ms.
 */
const ITEMS_AT_ONCE = 200;

/** Runs `work` on slices of at most 1,000, one after the other. */
export async function inBatches<T>(
  items: readonly T[],
  work: (batch: readonly T[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += BATCH_ROWS) await work(items.slice(at, at + BATCH_ROWS));
}

/** The items, yielding the event loop in between. */
export async function* yielding<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const [at, item] of items.entries()) {
    if (at > 0 && at % ITEMS_AT_ONCE === 0) await yieldLoop();
    yield item;
  }
}

/** `items.map(change)` that yields the event loop in between. */
export async function mapYielding<T, R>(items: readonly T[], change: (item: T) => R): Promise<R[]> {
  const results: R[] = [];
  for await (const item of yielding(items)) results.push(change(item));
  return results;
}
