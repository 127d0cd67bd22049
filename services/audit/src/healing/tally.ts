/** Ranges of places that are named; what is beyond is counted. */
const MOST_RANGES = 10;

/**
 * What there is to do, by kind. `edited` and `missing`: rows that are put back from their bodies.
 * `bundles`, `tiles`, `checkpoint`, `vkey`: files outside. `forged`: rows of the history.
 * `foreign`, `moved`, `restored`: rows that no checkpoint covers. `numbers`: the table of what
 * arrived. `bodiless`: places whose leaf is right and whose body is nowhere; `gone`: neither is.
 */
export type Kind =
  | "edited"
  | "missing"
  | "bundles"
  | "tiles"
  | "checkpoint"
  | "vkey"
  | "forged"
  | "foreign"
  | "moved"
  | "restored"
  | "numbers"
  | "bodiless"
  | "gone";

interface Tallied {
  count: number;
  /** Both ends are in it. */
  readonly ranges: [number, number][];
}
export type Tally = Map<Kind, Tallied>;

/** Notes one more; of one kind they come lowest first. */
export function tally(to: Tally, kind: Kind, at: number): void {
  const known = to.get(kind) ?? { count: 0, ranges: [] };
  known.count += 1;
  const last = known.ranges.at(-1);
  if (last && last[1] === at - 1) last[1] = at;
  else if (known.ranges.length < MOST_RANGES) known.ranges.push([at, at]);
  to.set(kind, known);
}

export const countsOf = (of: Tally): Record<string, number> =>
  Object.fromEntries([...of].map(([kind, { count }]) => [kind, count]));

/** Whether anything can be done about it. */
export const isToDo = (of: Tally): boolean =>
  [...of.keys()].some((kind) => kind !== "bodiless" && kind !== "gone");
