import { ATTACKS, type Attack, dealtOut, mostFrequent, type Recovered } from "./attacks.ts";
import { Chance, limitByChance } from "./chance.ts";
import type { Case } from "./facts.ts";

/** A column whose content the thief wants. */
export interface Target {
  readonly title: string;
  readonly cases: readonly Case[];
  /** The same rows as they were before, on which the attacks must succeed. */
  readonly controls: Readonly<Record<string, readonly Case[]>>;
}

export interface Result extends Recovered {
  readonly attack: string;
  /** What the same attack recovers of rows whose content was shuffled: mean + 3 deviations. */
  readonly chance: number;
  /** What guessing by frequency gives, or chance where it gives more. */
  readonly baseline: number;
}

/** These attacks on a target, in order. */
export const attacked = ({ cases }: Target, attacks: readonly Attack[]): Result[] =>
  attacks.map((attack) => resultOf(attack, cases));

function resultOf(attack: Attack, cases: readonly Case[]): Result {
  const chance = new Chance(cases.length);
  const { rows, by } = attack.run(cases, chance);
  const byChance = limitByChance(() => attack.run(chance.dealtOut(cases), chance).rows);
  return {
    attack: attack.name,
    rows,
    by,
    chance: byChance,
    baseline: Math.max(byChance, mostFrequent(cases)),
  };
}

/** A table for docs/threat-model.md: of each target the rows recovered, and by chance. */
export function tableOf(attacked: readonly { target: Target; results: readonly Result[] }[]): string {
  const line = (first: string, cell: (target: Target, results: readonly Result[]) => string) =>
    `| ${[first, ...attacked.map(({ target, results }) => cell(target, results))].join(" | ")} |`;
  const controls = Object.keys(attacked[0]?.target.controls ?? {});
  return [
    line(
      "rows recovered (by chance)",
      ({ title, cases }) => `${distinct(cases)} ${title}, ${cases.length} rows`,
    ),
    `|${"---|".repeat(attacked.length + 1)}`,
    line("the most frequent for every row", ({ cases }) => String(mostFrequent(cases))),
    line("dealt out, each as often as it occurs", ({ cases }) => dealtOut(cases).toFixed(0)),
    ...ATTACKS.map(({ name }) =>
      line(name, (_, results) => cellOf(results.find(({ attack }) => attack === name))),
    ),
    ...controls.map((name) =>
      line(`before: ${name}`, (target) => mostRecovered(target.controls[name] ?? []).toFixed(0)),
    ),
  ].join("\n");
}

function cellOf(result: Result | undefined): string {
  if (!result) return "";
  const { rows, chance, baseline, by } = result;
  const told = rows > baseline ? `, told by ${by}` : "";
  return `${rows.toFixed(0)} (${chance.toFixed(0)})${told}`;
}

const distinct = (cases: readonly Case[]): number => new Set(cases.map(({ truth }) => truth)).size;

const mostRecovered = (cases: readonly Case[]): number =>
  Math.max(...ATTACKS.map((attack) => attack.run(cases, new Chance(cases.length)).rows));
