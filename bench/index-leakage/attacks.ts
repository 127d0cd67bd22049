import type { Chance } from "./chance.ts";
import { type Case, isGrowth, isSize } from "./facts.ts";

/** Rows whose content was guessed right, and by which fact. */
export interface Recovered {
  readonly rows: number;
  readonly by: string;
}

/** An attack: what a thief does with what they see. */
export interface Attack {
  readonly name: string;
  run(cases: readonly Case[], chance: Chance): Recovered;
}

const TIES = 5;
// How many other rows a guess from the rows that look alike must outweigh.
const PRIOR_ROWS = 2;

/**
 * The attacks on what is comparable: with every column of every table, the thief takes the one that
 * tells most. They know which values occur, and how often. "Lengths" and "equal values" assign the
 * rows in the likeliest way, a tie blindly; the last two know besides what all other rows hold, the
 * most that anybody can know.
 */
export const BOX_ATTACKS: readonly Attack[] = [
  { name: "5. by box lengths", run: best(isBox, bySize) },
  { name: "5. by box lengths, with all other rows known", run: best(isBox, byOthers) },
];
export const ATTACKS: readonly Attack[] = [
  { name: "1. by lengths and numbers", run: best(isSize, bySize) },
  { name: "2. by how often equal values occur", run: best((fact) => !isSize(fact), byFrequency) },
  { name: "3. by both", run: best((fact) => !isSize(fact), byBoth) },
  { name: "4. by equal values, with all other rows known", run: best((fact) => !isSize(fact), byOthers) },
  ...BOX_ATTACKS,
  { name: "6. by what a day changed, with all other rows known", run: best(isGrowth, byOthers) },
];

function isBox(fact: string): boolean {
  return isSize(fact) && fact.endsWith("sealed") && !isGrowth(fact);
}

/** How many rows hold the most frequent value: what guessing it everywhere gives. */
export function mostFrequent(cases: readonly Case[]): number {
  return Math.max(
    ...Map.groupBy(cases, ({ truth }) => truth)
      .values()
      .map((group) => group.length),
  );
}

/** How many rows are right, on average, when all values are dealt out blindly, each as often as it occurs. */
export function dealtOut(cases: readonly Case[]): number {
  const groups = Map.groupBy(cases, ({ truth }) => truth);
  return groups.values().reduce((sum, group) => sum + group.length ** 2, 0) / cases.length;
}

type Try = (cases: readonly Case[], fact: string, chance: Chance) => number;

/** By the fact that gives most, out of those that say anything: not the same of all rows. */
function best(concerns: (fact: string) => boolean, attempt: Try): Attack["run"] {
  return (cases, chance) => {
    const names = new Set(cases.flatMap(({ facts }) => Object.keys(facts)));
    const facts = [...names].filter(
      (fact) => concerns(fact) && new Set(cases.map(({ facts: of }) => of[fact])).size > 1,
    );
    let found: Recovered = { rows: 0, by: "nothing differs" };
    for (const fact of facts) {
      const rows = attempt(cases, fact, chance);
      if (rows > found.rows) found = { rows, by: fact };
    }
    return found;
  };
}

/** The shortest rows hold the shortest values: the cheapest assignment, when costs are differences. */
function bySize(cases: readonly Case[], fact: string, chance: Chance): number {
  return mean(TIES, () => {
    const rows = chance.shuffled(cases).sort((a, b) => Number(a.facts[fact]) - Number(b.facts[fact]));
    const values = chance.shuffled(cases).sort((a, b) => a.truth.length - b.truth.length);
    return rows.filter(({ truth }, at) => truth === values[at]?.truth).length;
  });
}

/** The most frequent value of a column is the most frequent of the list, and so on. */
function byFrequency(cases: readonly Case[], fact: string, chance: Chance): number {
  return matched(cases, fact, chance, () => 0);
}

/** As by frequency, among equally frequent ones by the length of the row's box. */
function byBoth(cases: readonly Case[], fact: string, chance: Chance): number {
  const box = Object.keys(cases[0]?.facts ?? {}).find((name) => isBox(name));
  return matched(cases, fact, chance, ({ facts }) => Number(facts[box ?? ""] ?? 0));
}

function matched(
  cases: readonly Case[],
  fact: string,
  chance: Chance,
  sizeOf: (one: Case) => number,
): number {
  const groupsBy = (key: (one: Case) => string) => [...Map.groupBy(cases, key).values()];
  const values = groupsBy(({ truth }) => truth);
  const groups = groupsBy(({ facts }) => facts[fact] ?? "");
  const first = (group: readonly Case[], of: (one: Case) => number) => (group[0] ? of(group[0]) : 0);
  return mean(TIES, () => {
    const rankedGroups = chance
      .shuffled(groups)
      .sort((a, b) => b.length - a.length || first(a, sizeOf) - first(b, sizeOf));
    const ranked = chance
      .shuffled(values)
      .sort((a, b) => b.length - a.length || first(a, lengthOf) - first(b, lengthOf));
    // What is left over is guessed as the most frequent.
    return rankedGroups.reduce((right, group, at) => {
      const guess = (ranked[at] ?? ranked[0])?.[0]?.truth;
      return right + group.filter(({ truth }) => truth === guess).length;
    }, 0);
  });
}

const lengthOf = ({ truth }: Case): number => truth.length;

/** What most of the other rows hold that look the same, weighed against what is frequent at all. */
function byOthers(cases: readonly Case[], fact: string): number {
  const total = counted(cases);
  const frequent = [...total].sort((a, b) => b[1] - a[1]).slice(0, 2);
  const alike = new Map(
    [...Map.groupBy(cases, ({ facts }) => facts[fact])].map(([look, group]) => [look, counted(group)]),
  );
  let right = 0;
  for (const { truth, facts } of cases) {
    const seen = alike.get(facts[fact]) ?? new Map<string, number>();
    let guess = "";
    let highest = -1;
    for (const value of [...seen.keys(), ...frequent.map(([one]) => one)]) {
      const own = value === truth ? 1 : 0; // what this row holds is what they want to know
      const prior = (PRIOR_ROWS * ((total.get(value) ?? 0) - own)) / cases.length;
      const weight = (seen.get(value) ?? 0) - (seen.has(value) ? own : 0) + prior;
      if (weight > highest) [guess, highest] = [value, weight];
    }
    if (guess === truth) right += 1;
  }
  return right;
}

function counted(cases: readonly Case[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { truth } of cases) counts.set(truth, (counts.get(truth) ?? 0) + 1);
  return counts;
}

function mean(times: number, measure: () => number): number {
  let sum = 0;
  for (let n = 0; n < times; n += 1) sum += measure();
  return sum / times;
}
