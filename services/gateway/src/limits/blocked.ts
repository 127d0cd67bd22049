import type { Counted } from "../admission/admission.store.ts";

const MAX_BLOCKED = 10_000;

/** Limits that are used up, until they open again: who is over is refused here, without asking Redis again. */
export class Blocked {
  readonly #until = new Map<string, number>();

  note({ limit, used, resetMs }: Counted): void {
    if (used < limit.points || limit.member !== undefined) return; // a cheaper request may still fit
    if (this.#until.size >= MAX_BLOCKED) {
      const oldest = this.#until.keys().next();
      if (!oldest.done) this.#until.delete(oldest.value);
    }
    this.#until.set(limit.key, Date.now() + resetMs);
  }

  /** The limit of `limits` that is known to be used up, or null. */
  find(limits: Counted["limit"][]): Counted | null {
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
