import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { type Change, compare } from "./comparison.ts";
import type { Finding } from "./rounds.ts";

/** A part as it was last saved. */
export interface Saved {
  readonly date: string;
  /** Where it was measured: cores, processor, versions. */
  readonly machine: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
}

const FILE = fileURLToPath(new URL("baseline.json", import.meta.url));

const read = (): Record<string, Saved> => JSON.parse(readFileSync(FILE, "utf8"));

/**
 * Puts a part into the committed baseline, from which docs/performance.md is made; what a run that
 * was not of the whole part did not measure stays as it was.
 */
export function saveBaseline(
  part: string,
  run: readonly Finding[],
  servers: Readonly<Record<string, string>>,
  isWhole: boolean,
): void {
  const baseline = read();
  const processors = os.cpus();
  const machine = {
    cores: String(os.availableParallelism()),
    processor: processors[0]?.model ?? "unknown",
    memory: `${Math.round(os.totalmem() / 1024 ** 3)} GiB`,
    system: `${os.type()} ${os.arch()}`,
    node: process.versions.node,
    "load average": (os.loadavg()[2] ?? 0).toFixed(0), // of 15 minutes: beyond 4, others were at work
    ...servers,
  };
  const date = new Date().toISOString().slice(0, 10);
  const others = (baseline[part]?.findings ?? []).filter(
    ({ name }) => !isWhole && run.every((finding) => finding.name !== name),
  );
  const findings = isWhole ? run : [...others, ...run];
  const all = Object.entries({ ...baseline, [part]: { date, machine, findings } });
  all.sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(FILE, `${JSON.stringify(Object.fromEntries(all), rounded, 2)}\n`);
}

/** The parts beside the baseline's: what is compared, and parts that it does not have. */
export function compareToBaseline(parts: Readonly<Record<string, readonly Finding[]>>): {
  changes: Change[];
  unsaved: string[];
} {
  const baseline = read();
  const names = Object.keys(parts);
  return {
    changes: names.flatMap((part) => compare(baseline[part]?.findings ?? [], parts[part] ?? [])),
    unsaved: names.filter((part) => !baseline[part]),
  };
}

/** Four digits say more than a measurement knows. */
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === "number" ? Number(value.toPrecision(4)) : value;
