import type { IntegrityFault } from "@medvault/contracts";
import { TILE_WIDTH } from "../tree/tile.ts";

/** What is wrong, and from which entry on; null where no single entry is to blame. */
export interface Finding {
  readonly fault: IntegrityFault;
  readonly index: number | null;
}

/** The part of the log that a check looks at: the whole of it, its numbers, or one tile. */
export type Scope = "standing" | "sequences" | { readonly tile: number };

const STANDING: ReadonlySet<IntegrityFault> = new Set([
  "checkpoint_missing",
  "checkpoint_forged",
  "checkpoint_older",
  "retirement_forged",
  "root_not_signed",
  "log_truncated",
  "upper_tile_changed",
]);

/**
 * Whether a finding is of this part of a log of `size` entries: a check of it that finds nothing
 * shows that it is over.
 */
export function isOf(scope: Scope, { fault, index }: Finding, size: number): boolean {
  if (scope === "sequences") return fault === "sequences_changed";
  if (fault === "sequences_changed") return false;
  const isStanding = STANDING.has(fault) || index === null || index >= size;
  if (scope === "standing") return isStanding;
  return !isStanding && Math.floor(index / TILE_WIDTH) === scope.tile;
}

/** How many tiles the walk goes in a round: a day of entries in an hour, at most `mostEntries`. */
export function walkTiles(dayEntries: number, roundMs: number, mostEntries: number): number {
  const entries = Math.min(mostEntries, (dayEntries * roundMs) / 3_600_000);
  return Math.max(1, Math.ceil(entries / TILE_WIDTH));
}
