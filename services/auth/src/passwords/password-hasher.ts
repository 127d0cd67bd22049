import argon2 from "argon2";
import { HasherBusy } from "./password.errors.ts";
import { normalisePassword } from "./password-policy.ts";

/** OWASP's and feature I3's floor: 19 MiB, two passes, one lane; 28 ms on a machine of 2 cores. */
const ARGON2ID = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export interface PasswordHasher {
  /** A PHC string. Throws HasherBusy. */
  hash(password: string): Promise<string>;
  /**
   * Whether the password is that of the hash. With null it costs the same and answers false, so that an account
   * that is not there takes as long as one that is. Throws HasherBusy.
   */
  verify(hash: string | null, password: string): Promise<boolean>;
  /** Whether a hash was made under other parameters than the present ones. */
  isOutdated(hash: string): boolean;
}

/**
 * argon2id in libuv's threads, at most `concurrent` at a time (19 MiB each) and at most `waitingMax` waiting, so
 * that a flood of sign-ins can exhaust neither memory nor patience: what comes beyond is refused with 503.
 */
export async function createPasswordHasher(options: {
  concurrent: number;
  waitingMax: number;
}): Promise<PasswordHasher> {
  const decoy = await argon2.hash(crypto.getRandomValues(Buffer.alloc(32)), ARGON2ID);
  const slots = createSlots(options.concurrent, options.waitingMax);
  return {
    hash: (password) => slots(() => argon2.hash(normalisePassword(password), ARGON2ID)),
    async verify(hash, password) {
      const matches = await slots(() => argon2.verify(hash ?? decoy, normalisePassword(password)));
      return hash !== null && matches;
    },
    isOutdated: (hash) => argon2.needsRehash(hash, ARGON2ID),
  };
}

/** A counting semaphore with a bounded queue, first come first served. */
export function createSlots(concurrent: number, waitingMax: number) {
  let busy = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (busy >= concurrent) {
      if (waiting.length >= waitingMax) throw new HasherBusy();
      // The slot is handed over by whoever frees it, so `busy` does not change.
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
