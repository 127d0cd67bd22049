import { BoundedMap } from "@medvault/service-kit";
import type { Limit, LimitState } from "../limits/limit.ts";

/** How long points may be held, and how soon a request is the second of a burst. */
export const LEASE_MS = 250;
/** A lease is at most so much of its limit: small limits are counted one by one. */
const SHARE_MAX = 1 / 32;
const POINTS = { first: 4, most: 64 };
const MAX_KEPT = 10_000;

/** What is known of a limit's last questions to Redis. */
interface Asked {
  at: number;
  /** Whether points were asked for, and the answer is not there yet. */
  asking: boolean;
  size: number;
}

/** Points that Redis has counted and no request has used. Times are of `performance.now()`. */
interface Held {
  left: number;
  /** Of the limit, without what is left. */
  used: number;
  until: number;
  windowEnd: number;
}

/** Points to be taken off their counter again, in the window that they are of. */
export interface Unused {
  readonly key: string;
  readonly points: number;
  readonly windowLeftMs: number;
}

/**
 * Points of limits that Redis has counted before they are used: of a burst one request asks it for
 * many. What is leased counts for everybody at once, so all gateways together never admit more than
 * a limit allows. Nor do they admit less: above half of a limit Redis leases nothing, what was not
 * used goes back after `LEASE_MS`, and a request that meets the limit while points may still come
 * back waits for them (admission.store.ts).
 */
export class Leases {
  readonly #asked = new BoundedMap<string, Asked>(MAX_KEPT);
  readonly #held = new Map<string, Held>();

  /** Takes the request's points of every limit and says where they stand; null: ask Redis. */
  take(limits: readonly Limit[], now: number): LimitState[] | null {
    const holds = ({ key, cost }: Limit) => {
      const held = this.#held.get(key);
      return held !== undefined && held.left >= cost && held.until > now;
    };
    if (!limits.every(holds)) return null;
    return limits.map((limit) => {
      const held = this.#held.get(limit.key) as Held;
      held.left -= limit.cost;
      held.used += limit.cost;
      return { limit, used: held.used, resetMs: held.windowEnd - now };
    });
  }

  /** How many points to ask for beside the request's own: none before the second of a burst. */
  wanted(limit: Limit, now: number): number {
    const most = Math.min(POINTS.most, Math.floor(limit.points * SHARE_MAX));
    if (limit.member !== undefined || most < POINTS.first || this.#held.size >= MAX_KEPT) return 0;
    const known = this.#asked.get(limit.key);
    if (!known || now - known.at > LEASE_MS) {
      this.#asked.set(limit.key, { at: now, asking: false, size: 0 });
      return 0;
    }
    known.at = now;
    if (known.asking) return 0;
    known.asking = true;
    known.size = Math.min(most, Math.max(POINTS.first, 2 * known.size));
    return known.size;
  }

  /** Redis has answered, or did not: what it may have counted then stays counted. */
  answered(limit: Limit): void {
    const asked = this.#asked.get(limit.key);
    if (asked) asked.asking = false;
  }

  /** Redis has counted so many points more than it says that were used. */
  hold({ limit, used, resetMs }: LimitState, points: number, now: number): void {
    const before = this.#held.get(limit.key);
    const rest = before && before.windowEnd > now ? before.left : 0;
    const windowEnd = now + resetMs;
    const until = Math.min(now + LEASE_MS, windowEnd);
    this.#held.set(limit.key, { left: rest + points, used: used - rest, until, windowEnd });
  }

  /** What is held for too long, and is not held any more. */
  takeUnused(now: number): Unused[] {
    const unused: Unused[] = [];
    for (const [key, { left, until, windowEnd }] of this.#held) {
      if (until > now) continue;
      this.#held.delete(key);
      if (left > 0 && windowEnd > now) unused.push({ key, points: left, windowLeftMs: windowEnd - now });
    }
    return unused;
  }

  /** Redis is away: the next one may not know of these points, and giving them back be a gift. */
  drop(): void {
    this.#held.clear();
  }

  get holdsAny(): boolean {
    return this.#held.size > 0;
  }
}
