import argon2 from "argon2";
import { HasherBusy } from "./password.errors.ts";
import { normalisePassword } from "./password-policy.ts";

/** What making a hash costs. */
export interface HashCost {
  memoryKiB: number;
  passes: number;
  lanes: number;
}

/** OWASP's least (Password Storage Cheat Sheet): 28 ms on 2 cores. Settings may raise it. */
export const LEAST_HASH_COST: HashCost = { memoryKiB: 19_456, passes: 2, lanes: 1 };

export interface PasswordHasher {
  /** A PHC string. Throws HasherBusy. */
  hash(password: string): Promise<string>;
  /**
   * Whether the password is that of the hash. With null it costs the same and answers false, so
   * that an account that is not there takes as long as one that is. Throws HasherBusy.
   */
  verify(hash: string | null, password: string): Promise<boolean>;
  /** Whether a hash cost less memory or fewer passes than one of now. Costlier ones stay. */
  isOutdated(hash: string): boolean;
}

/**
 * argon2id in libuv's threads, at most `concurrent` at a time (`memoryKiB` each) and at most
 * `waitingMax` waiting, so that a flood of sign-ins can exhaust neither memory nor patience: what
 * comes beyond is refused with 503.
 */
export async function createPasswordHasher(options: {
  concurrent: number;
  waitingMax: number;
  cost?: HashCost;
}): Promise<PasswordHasher> {
  const { memoryKiB, passes, lanes } = options.cost ?? LEAST_HASH_COST;
  const parameters = {
    type: argon2.argon2id,
    memoryCost: memoryKiB,
    timeCost: passes,
    parallelism: lanes,
  } as const;
  const decoy = await argon2.hash(crypto.getRandomValues(Buffer.alloc(32)), parameters);
  const slots = createSlots(options.concurrent, options.waitingMax);
  return {
    hash: (password) => slots(() => argon2.hash(normalisePassword(password), parameters)),
    async verify(hash, password) {
      const matches = await slots(() => argon2.verify(hash ?? decoy, normalisePassword(password)));
      return hash !== null && matches;
    },
    isOutdated(hash) {
      const [memory, time] = [/[$,]m=(\d+)/, /[$,]t=(\d+)/].map((part) => Number(part.exec(hash)?.[1] ?? 0));
      return !hash.startsWith("$argon2id$") || (memory ?? 0) < memoryKiB || (time ?? 0) < passes;
    },
  };
}

/** A counting semaphore with a bounded queue, first come first served. */
export function createSlots(concurrent: number, waitingMax: number) {
  let busy = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (busy >= concurrent) {
      if (waiting.length >= waitingMax) throw new HasherBusy();
      // The slot is handed over by the call that frees it, so `busy` does not change.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      busy++;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else busy--;
    }
  };
}
