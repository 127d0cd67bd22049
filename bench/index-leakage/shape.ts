import { createHash } from "node:crypto";
import { trigramTokens } from "@medvault/crypto";
import type { Corpus } from "./corpus.ts";

/** What of token sets depends on the key only by chance: their sizes, and how many two share. */
export interface Shape {
  readonly sizes: Float64Array;
  readonly shared: readonly Float64Array[];
}

/**
 * A normal distribution of a number that a reader expects, ready for sums of negative
 * log-densities: `weight · (seen − mean)² + penalty`.
 */
export interface Expected {
  readonly means: Float64Array;
  readonly weights: Float64Array;
  readonly penalties: Float64Array;
}

/** The shape that a reader expects, from keys of their own. */
export interface ExpectedShape {
  readonly sizes: Expected;
  readonly shared: readonly Expected[];
}

// Below this a difference that the reader's own keys did not show counts as chance all the same.
const MIN_VARIANCE = 0.05;

/** A key like any other, and the same in every run. */
export const keyNumber = (purpose: string, number: number): Buffer =>
  createHash("sha256").update(`${purpose} ${number}`).digest();

export const tokenSets = (corpus: Corpus, key: Buffer, bits: number): ReadonlySet<string>[] =>
  corpus.values.map(({ text }) => new Set(trigramTokens(key, text, bits)));

export function shapeOf(sets: readonly ReadonlySet<string>[]): Shape {
  const shared = sets.map(() => new Float64Array(sets.length));
  for (const [i, mine] of sets.entries()) {
    for (let j = i + 1; j < sets.length; j += 1) {
      const common = mine.intersection(sets[j] ?? new Set()).size;
      (shared[i] as Float64Array)[j] = common;
      (shared[j] as Float64Array)[i] = common;
    }
  }
  return { sizes: Float64Array.from(sets, (set) => set.size), shared };
}

/** What an attacker who knows vocabulary and tokens expects, tried with keys of their own. */
export function expectedShape(corpus: Corpus, bits: number, keys: number): ExpectedShape {
  const shapes = Array.from({ length: keys }, (_, at) =>
    shapeOf(tokenSets(corpus, keyNumber("reader's own key", at), bits)),
  );
  return {
    sizes: expectedOf(shapes.map(({ sizes }) => sizes)),
    shared: corpus.values.map((_, row) =>
      expectedOf(shapes.map(({ shared }) => shared[row] ?? new Float64Array())),
    ),
  };
}

function expectedOf(samples: readonly Float64Array[]): Expected {
  const length = samples[0]?.length ?? 0;
  const means = new Float64Array(length);
  const weights = new Float64Array(length);
  const penalties = new Float64Array(length);
  for (let at = 0; at < length; at += 1) {
    const values = samples.map((sample) => sample[at] ?? 0);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance =
      values.reduce((sum, value) => sum + (value - mean) ** 2, MIN_VARIANCE * values.length) / values.length;
    means[at] = mean;
    weights[at] = 1 / (2 * variance);
    penalties[at] = Math.log(variance) / 2;
  }
  return { means, weights, penalties };
}

/** How unlikely a number is at that place. */
export function unlikelihood(expected: Expected, at: number, seen: number): number {
  const off = seen - (expected.means[at] ?? 0);
  return off * off * (expected.weights[at] ?? 0) + (expected.penalties[at] ?? 0);
}
