import type { LogContext } from "../context.ts";
import { readRetirement } from "../log/retirement.service.ts";
import { type IndexRange, missingRanges } from "./partition.store.ts";

/**
 * Parts of the log whose partition is gone, though they were not retired: dropped or detached by
 * somebody. @throws OutsideDamaged
 */
export async function missingPartitions(
  log: Pick<LogContext, "pool" | "outside" | "signer">,
): Promise<IndexRange[]> {
  // In this order: what is dropped is noted before, so that what is gone here has its note.
  const ranges = await missingRanges(log.pool, 0);
  const { size } = await readRetirement(log);
  return ranges.filter(({ to }) => to > size).map(({ from, to }) => ({ from: Math.max(from, size), to }));
}
