import type { Rule } from "./rule.ts";

/** Facts that wait for the window to fill: when, the event's id, how many acts. */
type Seen = readonly (readonly [at: number, id: string, weight: number])[];

/** Facts that one cause keeps at most; fewer where fewer are enough. */
const MAX_SEEN = 256;

type Counted = Omit<Rule<Seen>, "next" | "keepMs"> & {
  /** So many acts within `windowMs` are enough. */
  readonly threshold: number;
  readonly windowMs: number;
};

/** Facts may come so late and still count. */
export const LATE_MS = 3_600_000;

/** A rule that fires where so many acts of one cause lie within a window, wherever that begins. */
export function counted({ threshold, windowMs, ...rule }: Counted): Rule<Seen> {
  const most = Math.min(MAX_SEEN, Math.max(16, 2 * threshold));
  return {
    ...rule,
    keepMs: windowMs + rule.coverMs + LATE_MS,
    next(state = [], { at, id }, weight) {
      if (state.some(([, known]) => known === id)) return { state, hit: null };
      const seen = [...state, [at, id, weight] as const].sort(([a], [b]) => a - b);
      const found = fullWindow(seen, at, { threshold, windowMs });
      if (found === null) return { state: seen.slice(-most), hit: null };
      const [from, to] = found;
      const inside = seen.slice(from, to);
      const hit = {
        firstAt: inside[0]?.[0] ?? at,
        lastAt: inside.at(-1)?.[0] ?? at,
        count: inside.reduce((sum, [, , one]) => sum + one, 0),
        events: inside.map(([, one]) => one),
      };
      return { state: seen.filter((one) => !inside.includes(one)), hit };
    },
  };
}

/** The first window around `at` that holds enough, as a range of `seen`, which is in order. */
function fullWindow(
  seen: Seen,
  at: number,
  { threshold, windowMs }: { threshold: number; windowMs: number },
): readonly [from: number, to: number] | null {
  for (const [from, [start]] of seen.entries()) {
    if (start < at - windowMs) continue;
    if (start > at) return null;
    let [to, sum] = [from, 0];
    for (; to < seen.length; to++) {
      const [time, , weight] = seen[to] ?? [Number.POSITIVE_INFINITY, "", 0];
      if (time > start + windowMs) break;
      sum += weight;
    }
    if (sum >= threshold) return [from, to];
  }
  return null;
}

/** A rule that fires at each fact that is one of its own. */
export const atOnce = (rule: Omit<Counted, "threshold" | "windowMs">): Rule<Seen> =>
  counted({ ...rule, threshold: 1, windowMs: 0 });
