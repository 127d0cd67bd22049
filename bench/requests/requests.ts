import { setTimeout as sleep } from "node:timers/promises";
import { startSystem } from "../../e2e/support/system.ts";
import { type Load, load } from "../gateway/load.ts";
import { cpuMs } from "../gateway/processes.ts";
import { type Finding, inTurns, median } from "../rounds.ts";
import { type Contender, type Contenders, withContenders } from "./contenders.ts";

const ROUNDS = 3;
const WARM_UP_S = 2;
const ROUND_S = 4;
const IDLE_MS = 30_000;

interface Work {
  readonly name: string;
  readonly connections: number;
  readonly request: (of: Contender) => Buffer;
  /** Requests a second beside those of the bare service. */
  readonly share?: number;
  /** Processor time of all six processes for one. */
  readonly cpuMs?: number;
  readonly p50Ms?: number;
}

const read = (of: Contender) => of.read();
const create = (of: Contender) => of.create();
const WORKS: readonly Work[] = [
  { name: "read", connections: 1, request: read, cpuMs: 3 },
  { name: "read", connections: 16, request: read, share: 0.25, cpuMs: 1.6 },
  { name: "create", connections: 1, request: create, cpuMs: 5 },
  { name: "create", connections: 16, request: create, share: 0.35, cpuMs: 2.5 },
  { name: "list of 20", connections: 1, request: (of) => of.list(), p50Ms: 5 },
  { name: "search", connections: 1, request: (of) => of.search(), p50Ms: 10 },
  { name: "upload of 5 MiB", connections: 2, request: (of) => of.upload(), share: 0.6 },
  { name: "download of 5 MiB", connections: 2, request: (of) => of.download(), share: 0.6 },
];
const MIXED_CONNECTIONS = 32;
const MIXED_SHARE_OF_PEAK = 0.8;

type Measured = Load & { cpuMs: number };

/**
 * What a request costs beside a bare Express + pg service in clear, in turns on one machine, over
 * 100,000 prescriptions: requests a second, p50, and processor time of all six processes. `only`:
 * works whose names begin so, or all.
 */
export async function requests(only: readonly string[]): Promise<Finding[]> {
  const isAsked = (name: string) => only.length === 0 || only.some((start) => name.startsWith(start));
  const system = await startSystem("bench-requests", { env: { MEDVAULT_RATE_LIMIT: "100000000" } });
  try {
    return await withContenders(system.ops, async (both) => {
      const findings: Finding[] = [];
      for (const work of WORKS.filter(({ name }) => isAsked(name)))
        findings.push(...(await compared(both, work)));
      if (isAsked("mixed")) findings.push(...(await mixed(both.ours)));
      if (isAsked("idle")) findings.push(await idle(both));
      return findings;
    });
  } finally {
    await system.stop();
  }
}

async function measured(of: Contender, work: Work, seconds: number): Promise<Measured> {
  await of.ready();
  const before = of.cpuMs();
  const { connections } = work;
  const found = await load({ port: of.port, request: () => work.request(of), connections, seconds });
  return { ...found, cpuMs: (of.cpuMs() - before) / (found.perSecond * seconds) };
}

async function compared({ ours, bare }: Contenders, work: Work): Promise<Finding[]> {
  await measured(bare, work, WARM_UP_S);
  await measured(ours, work, WARM_UP_S);
  const rounds = await inTurns(
    ROUNDS,
    () => measured(bare, work, ROUND_S),
    () => measured(ours, work, ROUND_S),
  );
  const of = (side: "bare" | "ours", what: keyof Measured) => median(rounds.map((pair) => pair[side][what]));
  const told = (side: "bare" | "ours") =>
    `${of(side, "perSecond").toFixed(0)}/s, p50 ${of(side, "p50Ms").toFixed(1)}, p99 ${of(side, "p99Ms").toFixed(1)} ms, ${of(side, "cpuMs").toFixed(2)} ms of processor`;
  const name = `${work.name}, ${work.connections} at once`;
  const findings: Finding[] = [
    {
      name: `${name}: requests a second, ours / bare`,
      measured: median(rounds.map((pair) => pair.ours.perSecond / pair.bare.perSecond)),
      unit: "ratio",
      ...(work.share !== undefined && { atLeast: work.share }),
      note: `${told("ours")}; bare ${told("bare")}`,
    },
  ];
  if (work.cpuMs !== undefined)
    findings.push({
      name: `${name}: processor time in all six processes`,
      measured: of("ours", "cpuMs"),
      unit: "ms",
      atMost: work.cpuMs,
    });
  if (work.p50Ms !== undefined)
    findings.push({ name: `${name}: p50`, measured: of("ours", "p50Ms"), unit: "ms", atMost: work.p50Ms });
  return findings;
}

/** Of a hundred requests 75 read, 10 list, 10 create, 5 search. */
function mixedRequest(of: Contender): () => Buffer {
  let at = 0;
  return () => {
    const place = (at++ * 37) % 100;
    if (place < 75) return of.read();
    if (place < 85) return of.list();
    return place < 95 ? of.create() : of.search();
  };
}

async function mixed(ours: Contender): Promise<Finding[]> {
  const run = async (seconds: number, rate?: number) => {
    await ours.ready();
    const request = mixedRequest(ours);
    return load({ port: ours.port, request, connections: MIXED_CONNECTIONS, seconds, ...(rate && { rate }) });
  };
  await run(WARM_UP_S);
  const peaks: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) peaks.push((await run(ROUND_S)).perSecond);
  const peak = median(peaks);
  const calm: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    calm.push((await run(2 * ROUND_S, peak * MIXED_SHARE_OF_PEAK)).p99Ms);
  const name = `mixed, ${MIXED_CONNECTIONS} at once`;
  return [
    { name: `${name}: requests a second`, measured: peak, unit: "/s", atLeast: 800 },
    { name: `${name}: p99 at 80 % of that`, measured: median(calm), unit: "ms", atMost: 100 },
  ];
}

async function idle({ ours, ops }: Contenders): Promise<Finding> {
  await sleep(IDLE_MS / 3);
  const before = ours.cpuMs();
  const each = ops.processes.map(({ pid }) => cpuMs(pid));
  await sleep(IDLE_MS);
  const shares = ops.processes.map(
    ({ name, pid }, at) => `${name} ${(((cpuMs(pid) - (each[at] ?? 0)) * 100) / IDLE_MS).toFixed(1)}`,
  );
  return {
    name: "idle: of one core, all six processes",
    measured: ((ours.cpuMs() - before) * 100) / IDLE_MS,
    unit: "%",
    atMost: 2,
    note: shares.join(", "),
  };
}
