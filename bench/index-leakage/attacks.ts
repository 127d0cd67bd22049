import { cheapestAssignment } from "./assignment.ts";
import type { Corpus } from "./corpus.ts";
import {
  type ExpectedShape,
  expectedShape,
  keyNumber,
  type Shape,
  shapeOf,
  tokenSets,
  unlikelihood,
} from "./shape.ts";

/** How many distinct values each way of looking gives back, as a mean over index keys. */
export interface Recovered {
  readonly size: number;
  readonly frequency: number;
  readonly both: number;
  readonly overlaps: number;
}

const READERS_KEYS = 8;
const MAX_ROUNDS = 8;
// A different frequency outweighs all else: the attacker knows how many rows hold each value.
const OTHER_FREQUENCY = 1e6;

/**
 * What a reader of the column recovers who holds no key but knows the vocabulary, how tokens are
 * made, and how many rows hold each value. Each way ends in the likeliest assignment of all token
 * sets to all values; a tie is decided blindly.
 */
export function attack(corpus: Corpus, bits: number, indexKeys: number): Recovered {
  const expected = expectedShape(corpus, bits, READERS_KEYS);
  const counts = corpus.values.map(({ rows }) => rows);
  const sums = { size: 0, frequency: 0, both: 0, overlaps: 0 };
  for (let number = 0; number < indexKeys; number += 1) {
    const truth = shuffled(counts.length, number);
    const sets = tokenSets(corpus, keyNumber("index key", number), bits);
    const seen = shapeOf(truth.map((value) => sets[value] ?? new Set()));
    const seenCounts = truth.map((value) => counts[value] ?? 0);
    const size = matrix(truth.length, (row, value) =>
      unlikelihood(expected.sizes, value, seen.sizes[row] ?? 0),
    );
    const frequency = matrix(truth.length, (row, value) =>
      seenCounts[row] === counts[value] ? 0 : OTHER_FREQUENCY,
    );
    const both = matrix(truth.length, (row, value) => at(size, row, value) + at(frequency, row, value));
    const right = (assigned: readonly number[]): number =>
      assigned.filter((value, row) => value === truth[row]).length / indexKeys;
    sums.size += right(cheapestAssignment(size));
    sums.frequency += right(cheapestAssignment(frequency));
    sums.both += right(cheapestAssignment(both));
    sums.overlaps += right(byOverlaps(seen, expected, both));
  }
  return sums;
}

/**
 * By how many tokens each set shares with each other: first by their sorted list, which needs no
 * guess about any other set, then by what is shared with those assigned so far, until it settles.
 */
function byOverlaps(seen: Shape, expected: ExpectedShape, start: readonly Float64Array[]): number[] {
  const n = start.length;
  const profilesSeen = seen.shared.map((row) => row.toSorted());
  const profilesExpected = expected.shared.map(({ means }) => means.toSorted());
  let assigned = cheapestAssignment(
    matrix(n, (row, value) => {
      const [mine, theirs] = [profilesSeen[row], profilesExpected[value]];
      if (!mine || !theirs) return 0;
      return at(start, row, value) + mine.reduce((sum, x, k) => sum + Math.abs(x - (theirs[k] ?? 0)), 0);
    }),
  );
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const now = assigned;
    const next = cheapestAssignment(
      matrix(n, (row, value) => at(start, row, value) + sharedCost(seen, expected, now, row, value)),
    );
    if (next.every((value, row) => value === now[row])) return next;
    assigned = next;
  }
  return assigned;
}

function sharedCost(
  seen: Shape,
  expected: ExpectedShape,
  assigned: readonly number[],
  row: number,
  value: number,
): number {
  const [mine, theirs] = [seen.shared[row], expected.shared[value]];
  if (!mine || !theirs) return 0;
  let cost = 0;
  for (let k = 0; k < mine.length; k += 1) {
    const other = assigned[k] ?? 0;
    if (k === row || other === value) continue;
    cost += unlikelihood(theirs, other, mine[k] ?? 0);
  }
  return cost;
}

function matrix(size: number, cost: (row: number, column: number) => number): Float64Array[] {
  return Array.from({ length: size }, (_, row) =>
    Float64Array.from({ length: size }, (_, to) => cost(row, to)),
  );
}

const at = (costs: readonly Float64Array[], row: number, column: number): number => costs[row]?.[column] ?? 0;

/** The numbers below `size` in an order that cannot be guessed, and is the same in every run. */
function shuffled(size: number, seed: number): number[] {
  return Array.from({ length: size }, (_, number) => ({ number, by: keyNumber(`order ${seed}`, number) }))
    .sort((a, b) => a.by.compare(b.by))
    .map(({ number }) => number);
}
