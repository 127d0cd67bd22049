import { AsyncLocalStorage } from "node:async_hooks";

interface Deadline {
  /** By performance.now(); infinite once the work is over. */
  at: number;
}

const deadlines = new AsyncLocalStorage<Deadline | undefined>();
/** What a statement has even at the end: of a commit that is given up nobody knows the outcome. */
const LEAST_MS = 250;

/**
 * Runs `work`: its statements are given up as DatabaseUnavailable once it has taken `ms`, so that a
 * database that is frozen holds nobody longer. What goes on after `work` has none of it.
 */
export async function withDeadline<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const deadline = { at: performance.now() + ms };
  try {
    return await deadlines.run(deadline, work);
  } finally {
    deadline.at = Number.POSITIVE_INFINITY;
  }
}

/** Runs `work`, which was begun within another work's deadline, without it. */
export function withoutDeadline<T>(work: () => T): T {
  return deadlines.run(undefined, work);
}

/** How long a statement that begins now may take; undefined: as long as its pool allows. */
export function remainingMs(): number | undefined {
  const at = deadlines.getStore()?.at ?? Number.POSITIVE_INFINITY;
  return at === Number.POSITIVE_INFINITY ? undefined : Math.max(LEAST_MS, Math.ceil(at - performance.now()));
}

/** `callback` with the deadline of its maker, not of its caller. (`bind` costs ten times that.) */
export function ownDeadline<A extends unknown[]>(callback: (...args: A) => void): (...args: A) => void {
  const deadline = deadlines.getStore();
  return (...args) => deadlines.run(deadline, () => callback(...args));
}
