import { randomUUID } from "node:crypto";
import { cpuMs, rssBytes } from "../gateway/processes.ts";
import { type Finding, growth, median } from "../rounds.ts";
import type { Fhir } from "./charts.ts";
import { bundlesOf } from "./templates.ts";

const PER_BUNDLE = 1_000;
const BUNDLES = 20;
const EXPORTS = 5;
const MIB = 1024 ** 2;

/**
 * Bundles of 1,000 resources of one patient through the gateway, one after the other, until there
 * are 20,000; then everything of them, and how far the records process grows meanwhile.
 */
export async function speed(fhir: Fhir): Promise<Finding[]> {
  const pid = fhir.ops.processes.find(({ name }) => name === "records")?.pid ?? 0;
  const make = bundlesOf(`urn:uuid:${randomUUID()}`, PER_BUNDLE);
  const [first, ...others] = Array.from({ length: BUNDLES }, make);
  if (!first) throw new Error("no bundles");
  const { patientIds } = await loaded(fhir, first); // warms up
  const before = cpuMs(pid);
  const loads: number[] = [];
  const { grownBytes: importBytes } = await growth(
    () => rssBytes(pid),
    async () => {
      for (const bundle of others) loads.push(await seconds(() => loaded(fhir, bundle)));
    },
  );
  const cpu = (cpuMs(pid) - before) / (others.length * PER_BUNDLE);
  const id = patientIds[0] ?? "";
  await fhir.exported(id);
  const exports: number[] = [];
  let bytes = 0;
  const rows = BUNDLES * (PER_BUNDLE - 1) + 1;
  const beforeExports = cpuMs(pid);
  const { grownBytes } = await growth(
    () => rssBytes(pid),
    async () => {
      for (let n = 0; n < EXPORTS; n++)
        exports.push(
          await seconds(async () => {
            bytes = await fhir.exported(id);
          }),
        );
    },
  );
  const exportCpu = (cpuMs(pid) - beforeExports) / (EXPORTS * rows);
  return [
    {
      name: `resources a second through the gateway, in bundles of ${PER_BUNDLE}`,
      measured: PER_BUNDLE / median(loads),
      unit: "/s",
      atLeast: 1_000,
      note: `processor time in records ${(cpu * 1_000).toFixed(0)} µs each; it grew by ${(importBytes / MIB).toFixed(0)} MiB`,
    },
    {
      name: `resources a second of $everything, ${rows} rows`,
      measured: rows / median(exports),
      unit: "/s",
      atLeast: 5_000,
      note: `${(bytes / MIB).toFixed(0)} MiB in ${median(exports).toFixed(1)} s; processor time in records ${(exportCpu * 1_000).toFixed(0)} µs each`,
    },
    {
      name: `what records grows by while it exports them ${EXPORTS} times`,
      measured: grownBytes / MIB,
      unit: "MiB",
      atMost: 64,
    },
  ];
}

async function loaded(fhir: Fhir, bundle: Parameters<Fhir["load"]>[0]) {
  const answer = await fhir.load(bundle);
  if (answer.status !== 200) throw new Error(`a bundle was answered ${answer.status} ${answer.reason}`);
  return answer;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return (performance.now() - since) / 1_000;
}
