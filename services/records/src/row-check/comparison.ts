import type { ExpectedRow } from "./expected-row.ts";

/** What is there of a row; null: nothing. */
export interface FoundRow {
  readonly rev: number;
  readonly sha256: string;
}

export type Disagreement = "rolled_back" | "deleted" | "swapped" | "unknown_row" | "changed" | "list_lost";

/**
 * In what a row is not what the log says; null: it is. `isAnothers`: what is there was written
 * elsewhere, or as another revision.
 */
export function disagreementOf(
  expected: Pick<ExpectedRow, "rev" | "sha256"> | null,
  found: FoundRow | null,
): Exclude<Disagreement, "swapped" | "list_lost"> | null {
  if (found === null) return expected === null || expected.sha256 === null ? null : "deleted";
  if (expected === null || expected.sha256 === null) return "unknown_row";
  if (found.rev < expected.rev) return "rolled_back";
  return found.rev === expected.rev && found.sha256 === expected.sha256 ? null : "changed";
}

export const isSameRow = (one: FoundRow | null, other: FoundRow | null): boolean =>
  one === null || other === null ? one === other : one.rev === other.rev && one.sha256 === other.sha256;
