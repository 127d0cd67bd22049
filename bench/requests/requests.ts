import { setTimeout as sleep } from "node:timers/promises";
import { startSystem } from "../../e2e/support/system.ts";
import { signIns } from "../auth/sign-in.ts";
import { fhirOf } from "../fhir/charts.ts";
import { speed } from "../fhir/speed.ts";
import type { Finding } from "../rounds.ts";
import { withServers } from "../servers.ts";
import { compared } from "./compared.ts";
import { type Contenders, withContenders } from "./contenders.ts";
import { usedBetween } from "./usage.ts";
import { PANEL, WORKS } from "./works.ts";

const IDLE_S = 30;
const SIGN_IN_ROUNDS = 12;
const SERVERS = ["postgres", "rabbitmq", "redis"];

/**
 * What a request costs beside a bare Express + pg service in clear, in turns on one machine, over
 * 100,000 prescriptions. `only`: works whose names begin so, or all. `servers` is told which.
 */
export async function requests(only: readonly string[], servers: Record<string, string>): Promise<Finding[]> {
  const isAsked = (name: string) => only.length === 0 || only.some((start) => name.startsWith(start));
  const findings: Finding[] = [];
  if (isAsked("sign-in")) findings.push(...(await withServers(() => signIns(SIGN_IN_ROUNDS))));
  const works = WORKS.filter(({ name }) => isAsked(name));
  if (works.length === 0 && !["idle", "fhir"].some(isAsked)) return findings;
  const system = await startSystem("bench-requests", { env: { MEDVAULT_RATE_LIMIT: "100000000" } });
  try {
    await withContenders(system.ops, async (both) => {
      const { rows } = await both.meter.postgres.query<{ server_version: string }>("show server_version");
      servers.postgres = rows[0]?.server_version ?? "unknown";
      for (const work of works) {
        await both.panel(work.panel ?? PANEL);
        findings.push(...(await compared(both, work)));
        process.stderr.write(`${work.name}, ${work.connections} at once: measured\n`); // it takes minutes
      }
      if (isAsked("idle")) findings.push(await idle(both));
      if (isAsked("fhir")) findings.push(...(await speed(await fhirOf(system.ops))));
    });
    return findings;
  } finally {
    await system.stop();
  }
}

async function idle({ meter }: Contenders): Promise<Finding> {
  await sleep((IDLE_S * 1_000) / 3);
  const before = await meter.read();
  await sleep(IDLE_S * 1_000);
  const { cpuMs } = usedBetween(before, await meter.read(), IDLE_S * 10); // ms in 100 ms: %
  const services = Object.entries(cpuMs).filter(([name]) => name !== "bare" && !SERVERS.includes(name));
  return {
    name: "idle: of one core, all six processes",
    measured: services.reduce((sum, [, share]) => sum + share, 0),
    unit: "%",
    atMost: 2,
    note: Object.entries(cpuMs)
      .map(([name, share]) => `${name} ${share.toFixed(1)}`)
      .join(", "),
  };
}
