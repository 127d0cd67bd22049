import { load } from "../gateway/load.ts";
import { type Finding, inTurns, median, type WorkDone, type WorkSide } from "../rounds.ts";
import { sum } from "../table.ts";
import type { Contender, Contenders } from "./contenders.ts";
import { statementsDuring } from "./statements.ts";
import { type Shares, type Usage, usedBetween } from "./usage.ts";
import type { Work } from "./works.ts";

const ROUNDS = 3;
const WARM_UP_S = 2;
const ROUND_S = 4;
const COUNTED_S = 1;
const SHARE_OF_PEAK = 0.8;
/** What comes less often is a job's or a look at the health of a service, and no part of a request. */
const OFTEN = 0.1;

interface Round {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly used: Usage;
}

/** One work in turns with the bare service: what must be reached, and all there is to know. */
export async function compared(both: Contenders, work: Work): Promise<Finding[]> {
  const { ours, bare } = both;
  await run(both, bare, work, WARM_UP_S);
  await run(both, ours, work, WARM_UP_S);
  const rounds = await inTurns(
    ROUNDS,
    () => run(both, bare, work, ROUND_S),
    () => run(both, ours, work, ROUND_S),
  );
  const mine = rounds.map((pair) => pair.ours);
  const done: WorkDone = {
    ...{ work: work.name, connections: work.connections },
    ours: sideOf(mine, (name) => name !== "bare"),
    bare: sideOf(
      rounds.map((pair) => pair.bare),
      (name) => name === "bare" || name === "postgres",
    ),
    gcMs: medians(mine.map(({ used }) => used.gcMs)),
    http: medians(mine.map(({ used }) => used.http)),
    redisCommands: median(mine.map(({ used }) => used.redisCommands)),
    walBytes: median(mine.map(({ used }) => used.walBytes)),
    writtenBytes: medians(mine.map(({ used }) => used.writtenBytes)),
    statements: await statements(both, work),
  };
  const name = `${work.name}, ${work.connections} at once`;
  const share = median(rounds.map((pair) => pair.ours.perSecond / pair.bare.perSecond));
  return [
    {
      name: `${name}: requests a second, ours / bare`,
      ...{ measured: share, unit: "ratio", note: told(done), done },
      ...(work.share !== undefined && { atLeast: work.share }),
    },
    {
      name: `${name}: processor time, bare / ours`,
      measured: sum(done.bare.cpuMs) / sum(done.ours.cpuMs),
      unit: "ratio",
    },
    ...countsOf(name, done),
    ...targetsOf(name, work, done),
    ...(await calm(both, work, done)),
  ];
}

/** Counted while each waits for its answer: how many travel together depends on the machine. */
function countsOf(name: string, { connections, statements, redisCommands, http }: WorkDone): Finding[] {
  if (connections > 1) return [];
  const count = (what: string, measured: number): Finding => ({
    name: `${name}: ${what}`,
    measured,
    unit: "count",
  });
  return [
    ...Object.entries(statements)
      .filter(([, each]) => each > OFTEN)
      .map(([service, each]) => count(`statements of ${service}`, each)),
    count("commands of Redis", redisCommands),
    count("requests between services", sum(http) - 1),
  ];
}

function targetsOf(name: string, { cpuMs, p50Ms, perSecond }: Work, { ours }: WorkDone): Finding[] {
  const found: Finding[] = [];
  if (cpuMs !== undefined)
    found.push({
      name: `${name}: processor time, servers included`,
      ...{ measured: sum(ours.cpuMs), unit: "ms", atMost: cpuMs },
    });
  if (p50Ms !== undefined)
    found.push({ name: `${name}: p50`, measured: ours.p50Ms, unit: "ms", atMost: p50Ms });
  if (perSecond !== undefined)
    found.push({
      name: `${name}: requests a second`,
      measured: ours.perSecond,
      unit: "/s",
      atLeast: perSecond,
    });
  return found;
}

async function calm(both: Contenders, work: Work, { ours }: WorkDone): Promise<Finding[]> {
  if (work.calmP99Ms === undefined) return [];
  const found: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    found.push((await run(both, both.ours, work, 2 * ROUND_S, ours.perSecond * SHARE_OF_PEAK)).p99Ms);
  const name = `${work.name}, ${work.connections} at once: p99 at 80 % of that`;
  return [{ name, measured: median(found), unit: "ms", atMost: work.calmP99Ms }];
}

async function run(
  { meter }: Contenders,
  of: Contender,
  { request, connections }: Work,
  seconds: number,
  rate?: number,
): Promise<Round> {
  await of.ready();
  const before = await meter.read();
  const found = await load({
    ...{ port: of.port, request: () => request(of), connections, seconds },
    ...(rate && { rate }),
  });
  return { ...found, used: usedBetween(before, await meter.read(), found.count) };
}

async function statements({ ours, ops, meter }: Contenders, { request, connections }: Work): Promise<Shares> {
  await ours.ready();
  let count = 0;
  const all = await statementsDuring(ops, meter.postgres, async () => {
    const options = { port: ours.port, request: () => request(ours), connections, seconds: COUNTED_S };
    count = (await load(options)).count;
  });
  return Object.fromEntries(Object.entries(all).map(([service, sent]) => [service, sent / count]));
}

/** `isOf` says whose processor time counts. */
function sideOf(rounds: readonly Round[], isOf: (name: string) => boolean): WorkSide {
  const of = (what: "perSecond" | "p50Ms" | "p99Ms") => median(rounds.map((round) => round[what]));
  const cpuMs = Object.entries(medians(rounds.map(({ used }) => used.cpuMs)));
  return {
    ...{ perSecond: of("perSecond"), p50Ms: of("p50Ms"), p99Ms: of("p99Ms") },
    cpuMs: Object.fromEntries(cpuMs.filter(([name]) => isOf(name))),
  };
}

function medians(rounds: readonly Shares[]): Shares {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(rounds.map((round) => round[name] ?? 0))]));
}

function told({ ours, bare }: WorkDone): string {
  const side = ({ perSecond, p50Ms, p99Ms, cpuMs }: WorkSide) =>
    `${perSecond.toFixed(0)}/s, p50 ${p50Ms.toFixed(1)}, p99 ${p99Ms.toFixed(1)} ms, ${sum(cpuMs).toFixed(2)} ms of processor`;
  return `${side(ours)}; bare ${side(bare)}`;
}
