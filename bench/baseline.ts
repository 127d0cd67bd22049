import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { type Change, compare } from "./comparison.ts";
import type { Finding } from "./rounds.ts";

/** A part as it was last saved. */
interface Saved {
  readonly date: string;
  /** Where it was measured: cores, processor, versions. */
  readonly machine: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
}

const FILE = fileURLToPath(new URL("baseline.json", import.meta.url));

const read = (): Record<string, Saved> => JSON.parse(readFileSync(FILE, "utf8"));

/** Puts these parts into the committed baseline, from which docs/performance.md is made. */
export function saveBaseline(
  parts: Readonly<Record<string, readonly Finding[]>>,
  servers: Readonly<Record<string, string>>,
): void {
  const processors = os.cpus();
  const machine = {
    cores: String(os.availableParallelism()),
    processor: processors[0]?.model ?? "unknown",
    memory: `${Math.round(os.totalmem() / 1024 ** 3)} GiB`,
    system: `${os.type()} ${os.arch()}`,
    node: process.versions.node,
    ...servers,
  };
  const date = new Date().toISOString().slice(0, 10);
  const saved = Object.entries(parts).map(([part, findings]) => [part, { date, machine, findings }] as const);
  const all = Object.entries({ ...read(), ...Object.fromEntries(saved) }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  );
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
