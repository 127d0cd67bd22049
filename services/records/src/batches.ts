import { setImmediate as breathe } from "node:timers/promises";

/** Rows in one statement of an import. The driver turns a statement's boxes into text in one go: 1,000 take 25 ms. */
const BATCH_ROWS = 1_000;
/** Items between two breaths of the event loop: 200 of the slowest kind (opening a box, mapping) take some 10 ms. */
const ITEMS_AT_ONCE = 200;

/** Runs `work` on slices of at most 1,000, one after the other. */
export async function inBatches<T>(
  items: readonly T[],
  work: (batch: readonly T[]) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += BATCH_ROWS) await work(items.slice(at, at + BATCH_ROWS));
}

/** `items.map(change)` that lets others have the event loop in between. */
export async function mapGently<T, R>(items: readonly T[], change: (item: T) => R): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) {
    results.push(change(item));
    if (results.length % ITEMS_AT_ONCE === 0) await breathe();
  }
  return results;
}
