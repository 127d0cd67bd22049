import { BoundedMap } from "@medvault/service-kit";
import type { Limit, LimitState } from "./limit.ts";

const MAX_REMEMBERED = 10_000;

/** Remembers used-up limits until they open again, so that Redis need not be asked. */
export class UsedUpLimits {
  readonly #until = new BoundedMap<string, number>(MAX_REMEMBERED);

  note({ limit, used, resetMs }: LimitState): void {
    if (used < limit.points || limit.member !== undefined) return; // a cheaper request may fit
    this.#until.set(limit.key, Date.now() + resetMs);
  }

  /** The first of `limits` that is known to be used up, or null. */
  find(limits: Limit[]): LimitState | null {
    if (this.#until.size === 0) return null;
    for (const limit of limits) {
      const until = this.#until.get(limit.key);
      if (until === undefined) continue;
      const resetMs = until - Date.now();
      if (resetMs > 0) return { limit, used: limit.points, resetMs };
      this.#until.delete(limit.key);
    }
    return null;
  }
}
