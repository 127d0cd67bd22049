import type { LogContext } from "../context.ts";
import type { OutsideStore } from "../outside/outside.store.ts";
import { latestCheckpoint } from "./checkpoint.store.ts";
import { readOutsideCheckpoint } from "./opening.service.ts";

/** Whether this process can do a writer's work, beside what a failed round says by itself. */
export interface Fitness {
  /** The store outside, watched: a disk that hangs gives no error. */
  readonly outside: OutsideStore;
  /** Whether it could write if it had the lease: it reaches RabbitMQ and the store outside. */
  isReady(): Promise<boolean>;
  /**
   * Asked again and again of a writer, with whether its rounds fail: whether it was in trouble
   * twice in a row. Its lease is then of no use: no events come, or what came does not get outside.
   */
  isInTrouble(fails: boolean): boolean;
  /** It has the lease: what was before says nothing. */
  begin(): void;
}

/** @param patienceMs nothing that is asked of the store outside takes longer on a good disk */
export function createFitness(
  log: LogContext,
  { hasBroker, patienceMs }: { hasBroker: () => boolean; patienceMs: number },
): Fitness {
  const underWay = new Set<{ since: number }>();
  let wasSlow = false;
  let troubled = 0;
  let look: Promise<boolean> | null = null;
  const isSlow = ({ since }: { since: number }) => performance.now() - since > patienceMs;

  async function watched<T>(work: () => Promise<T>): Promise<T> {
    const one = { since: performance.now() };
    underWay.add(one);
    try {
      return await work();
    } finally {
      underWay.delete(one);
      wasSlow ||= isSlow(one);
    }
  }

  const outside = new Proxy(log.outside, {
    get(target, name: keyof OutsideStore) {
      const real = target[name] as (...args: unknown[]) => Promise<unknown>;
      return (...args: unknown[]) => watched(() => real.apply(target, args));
    },
  });

  return {
    outside,
    async isReady() {
      if (!hasBroker()) return false;
      look ??= isOutsideInSight(log).finally(() => {
        look = null; // it may hang: then no other is begun
      });
      return await within(patienceMs, look);
    },
    isInTrouble(fails) {
      const hangs = wasSlow || [...underWay].some(isSlow);
      wasSlow = false;
      troubled = fails || hangs || !hasBroker() ? troubled + 1 : 0;
      return troubled > 1;
    },
    begin() {
      wasSlow = false;
      troubled = 0;
    },
  };
}

/** The store takes files, and knows no less than the history. */
async function isOutsideInSight(log: LogContext): Promise<boolean> {
  try {
    const latest = await latestCheckpoint(log.pool);
    await log.outside.probe();
    return ((await readOutsideCheckpoint(log))?.size ?? 0) >= (latest?.size ?? 0);
  } catch {
    return false;
  }
}

/** False also when it takes longer. */
async function within(ms: number, look: Promise<boolean>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(late.resolve, ms, false);
  try {
    return await Promise.race([look, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
