/** A perfect subtree of an RFC 6962 tree: 2^`level` leaves from `first` on, a multiple of that. */
export interface Subtree {
  readonly first: number;
  readonly level: number;
}

/**
 * The fewest perfect subtrees that cover leaves `first` up to `end`, in their order: at most two of
 * each level.
 */
export function* subtreesOf(first: number, end: number): Generator<Subtree> {
  for (let at = first; at < end; ) {
    let level = 0;
    // No bit operators: indexes pass 2^31.
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level += 1;
    yield { first: at, level };
    at += 2 ** level;
  }
}
