/** One measurement, and what it must reach (`atLeast`) or may not pass (`atMost`). */
export interface Finding {
  readonly name: string;
  readonly measured: number;
  readonly unit: "ratio" | "MiB" | "ms" | "µs" | "count";
  readonly atLeast?: number;
  readonly atMost?: number;
  /** What else there is to know. */
  readonly note?: string;
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
 * Times two contenders in turns, in the other order every other round, and compares them by round:
 * both of a round meet the same load of the machine. Medians; the first fifth warms up.
 */
export async function race(bare: Contender, ours: Contender, rounds: number): Promise<Race> {
  const times: { bare: number; ours: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const bareFirst = round % 2 === 0;
    const first = await micros(bareFirst ? bare : ours);
    const second = await micros(bareFirst ? ours : bare);
    if (round * 5 >= rounds) {
      times.push({ bare: bareFirst ? first : second, ours: bareFirst ? second : first });
    }
  }
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
