import type { Finding } from "./rounds.ts";

/** What a run is beside the baseline: only what does not depend on the machine is compared. */
export interface Change {
  readonly name: string;
  readonly was: number;
  readonly is: number;
  readonly verdict: "better" | "worse" | "same";
}

/**
 * How far a number may be from the baseline's and count as the same: ratios of one run still differ
 * from run to run, counts by what happens to fall into the count (a job, a batch).
 */
const TOLERANCES: Partial<Record<Finding["unit"], number>> = { ratio: 0.2, count: 0.25 };
/** So that 0 beside 0.1 statements is the same. */
const LEAST = 0.15;

/** The findings of both, by name. Ratios are better when higher, unless they have an upper limit. */
export function compare(baseline: readonly Finding[], run: readonly Finding[]): Change[] {
  const before = new Map(baseline.map((finding) => [finding.name, finding.measured]));
  return run.flatMap((finding) => {
    const was = before.get(finding.name);
    const tolerance = TOLERANCES[finding.unit];
    if (was === undefined || tolerance === undefined) return [];
    const { name, measured: is } = finding;
    const isHigherBetter = finding.unit === "ratio" && finding.atMost === undefined;
    const gain = isHigherBetter ? is - was : was - is;
    const margin = Math.max(was * tolerance, finding.unit === "count" ? LEAST : 0);
    const verdict = Math.abs(gain) <= margin ? "same" : gain > 0 ? "better" : "worse";
    return [{ name, was, is, verdict }];
  });
}
