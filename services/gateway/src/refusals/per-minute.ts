import { BoundedMap } from "@medvault/service-kit";

const MINUTE_MS = 60_000;
const MAX_KEYS = 10_000;

/** Says of each key whether it has come at most `points` times in its minute, in this process. */
export class PerMinute {
  readonly #points: number;
  readonly #now: () => number;
  readonly #counts = new BoundedMap<string, { used: number; until: number }>(MAX_KEYS);

  constructor(points: number, now: () => number = Date.now) {
    this.#points = points;
    this.#now = now;
  }

  take(key: string): boolean {
    const known = this.#counts.get(key);
    if (known && known.until > this.#now()) {
      known.used += 1;
      return known.used <= this.#points;
    }
    this.#counts.set(key, { used: 1, until: this.#now() + MINUTE_MS });
    return this.#points > 0;
  }
}
