/** One measurement, and what it must reach (`atLeast`) or may not pass (`atMost`). */
export interface Finding {
  readonly name: string;
  readonly measured: number;
  readonly unit: "ratio" | "MiB" | "MB" | "ms" | "µs" | "count" | "/s" | "%";
  readonly atLeast?: number;
  readonly atMost?: number;
  /** What else there is to know. */
  readonly note?: string;
  readonly done?: WorkDone;
}

type Shares = Readonly<Record<string, number>>;

/** How fast one side was, and what each request took of the processors, in ms by process. */
export interface WorkSide {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: Shares;
}

/** All that was measured of a work: medians of rounds, for each request. */
export interface WorkDone {
  readonly work: string;
  readonly connections: number;
  readonly ours: WorkSide;
  readonly bare: WorkSide;
  /** Collecting garbage, by process. */
  readonly gcMs: Shares;
  /** Requests that each service was sent. */
  readonly http: Shares;
  readonly redisCommands: number;
  /** Statements of each service, with its relay, consumers and jobs. */
  readonly statements: Shares;
  readonly walBytes: number;
  /** To disks, by process. */
  readonly writtenBytes: Shares;
}

/** Work to time. `perRun` is how often one call does it. */
export interface Contender {
  readonly perRun: number;
  readonly run: () => void | Promise<void>;
}

/** How fast one is beside another: both in µs, and the ratio bare / ours, 1 when equally fast. */
export interface Race {
  readonly ratio: number;
  readonly bareMicros: number;
  readonly oursMicros: number;
}

/**
 * Runs both in turns, in the other order every other round: both of a round meet the same load of
 * the machine.
 */
export async function inTurns<T>(
  rounds: number,
  bare: () => Promise<T>,
  ours: () => Promise<T>,
): Promise<{ bare: T; ours: T }[]> {
  const found: { bare: T; ours: T }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const bareFirst = round % 2 === 0;
    const first = await (bareFirst ? bare : ours)();
    const second = await (bareFirst ? ours : bare)();
    found.push(bareFirst ? { bare: first, ours: second } : { bare: second, ours: first });
  }
  return found;
}

/** Times two contenders in turns and compares them by round. Medians; the first fifth warms up. */
export async function race(bare: Contender, ours: Contender, rounds: number): Promise<Race> {
  const all = await inTurns(
    rounds,
    () => micros(bare),
    () => micros(ours),
  );
  const times = all.slice(Math.ceil(rounds / 5));
  return {
    ratio: median(times.map((time) => time.bare / time.ours)),
    bareMicros: median(times.map((time) => time.bare)),
    oursMicros: median(times.map((time) => time.ours)),
  };
}

async function micros(contender: Contender): Promise<number> {
  const since = process.hrtime.bigint();
  await contender.run();
  return Number(process.hrtime.bigint() - since) / 1_000 / contender.perRun;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Microseconds of this process's processor time, which others on the machine do not lengthen. */
export async function cpuMicros(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

const SAMPLE_MS = 10;

/** How far resident memory grows while `work` runs: the highest seen, less what it was before. */
export async function growth<T>(
  rssBytes: () => number,
  work: () => Promise<T>,
): Promise<{ result: T; grownBytes: number; seconds: number }> {
  const before = rssBytes();
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, rssBytes());
  }, SAMPLE_MS);
  const since = performance.now();
  try {
    const result = await work();
    const seconds = (performance.now() - since) / 1_000;
    return { result, grownBytes: Math.max(peak, rssBytes()) - before, seconds };
  } finally {
    clearInterval(sampling);
  }
}
