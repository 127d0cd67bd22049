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

/** A table for docs/threat-model.md: rows recovered, of how many, by which column. */
export function tableOf(target: Target, results: readonly Result[]): string {
  const { title, cases, controls } = target;
  const distinct = new Set(cases.map(({ truth }) => truth)).size;
  const facts = new Set(cases.flatMap(({ facts: of }) => Object.keys(of))).size;
  const controlled = Object.entries(controls).map(([name, of]) => {
    const found = ATTACKS.map((attack) => attack.run(of, new Chance(of.length)).rows);
    return `| before: ${name} | **${Math.max(...found).toFixed(0)}** | | |`;
  });
  return [
    `| ${title}: ${distinct} in ${cases.length} rows, ${facts} facts | rows recovered | by chance, at most | told by |`,
    "|---|---|---|---|",
    `| always the most frequent | ${mostFrequent(cases)} | | |`,
    `| dealt out blindly, each as often as it occurs | ${dealtOut(cases).toFixed(1)} | | |`,
    ...results.map(
      ({ attack, rows, chance, baseline, by }) =>
        `| ${attack} | ${rows.toFixed(1)} | ${chance.toFixed(1)} | ${rows > baseline ? by : "nothing"} |`,
    ),
    ...controlled,
  ].join("\n");
}
