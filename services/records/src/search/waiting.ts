/** So many milliseconds from now, for `bounded`. */
export const waitingFor = (ms: number): number => performance.now() + ms;

/** Waits until then (by performance.now) at most; `work` goes on. Throws what `late` makes. */
export async function bounded<T>(work: Promise<T>, until: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), Math.max(0, until - performance.now()));
  });
  try {
    return await Promise.race([work, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for `work`, which goes on, until `signal` aborts. */
export function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    work.then(resolve, reject);
  });
}

export function chunksOf<T>(all: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size));
  return chunks;
}

/** Runs so many at once, the others in their order. */
export class Slots {
  readonly #ends: Promise<unknown>[];
  #next = 0;

  constructor(count: number) {
    this.#ends = Array.from({ length: count }, () => Promise.resolve());
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    const at = this.#next++ % this.#ends.length;
    const result = (this.#ends[at] ?? Promise.resolve()).then(work);
    this.#ends[at] = result.catch(() => undefined);
    return result;
  }

  /** Once what was given so far has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#ends);
  }
}

/** Work on keys, of which each is worked on once at a time: who asks meanwhile waits for that. */
export class Shared {
  readonly #pending = new Map<string, Promise<void>>();

  /** `work` is given at most `size` keys. Resolves, or rejects, once all has ended. */
  async each(
    keys: readonly string[],
    size: number,
    work: (some: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const pending = this.#pending;
    const others = keys.flatMap((key) => pending.get(key) ?? []);
    const mine = keys.filter((key) => !pending.has(key));
    const started = chunksOf(mine, size).map((some) => {
      const one: Promise<void> = work(some).finally(() => {
        for (const key of some) if (pending.get(key) === one) pending.delete(key);
      });
      for (const key of some) pending.set(key, one);
      return one;
    });
    const ended = await Promise.allSettled(new Set([...started, ...others]));
    for (const one of ended) if (one.status === "rejected") throw one.reason;
  }

  /** What is under way is nobody's to wait for from now on. */
  clear(): void {
    this.#pending.clear();
  }
}
