import type { AccessClaims } from "../identity/access-token.ts";
import type { CachedSession } from "../identity/session.ts";

/** A quarter of the second in which an end, or a changed permission, has to take effect. */
const RECENT_MS = 250;

interface Seen {
  readonly session: CachedSession;
  readonly until: number;
  readonly generation: number;
}

/**
 * Sessions that Redis has just said live, by the claims of a verified token (the same object while
 * the token is remembered): a burst of requests asks once. What a client is bound to is checked for
 * each request all the same. Only what lives is kept.
 */
export class RecentSessions {
  readonly #seen = new WeakMap<AccessClaims, Seen>();
  #generation = 0;

  find(claims: AccessClaims): CachedSession | null {
    const seen = this.#seen.get(claims);
    if (!seen || seen.generation !== this.#generation || seen.until <= performance.now()) return null;
    return seen.session;
  }

  /** To be called before Redis is asked: what it says may be older than a `forget` that follows. */
  begin(): Omit<Seen, "session"> {
    return { until: performance.now() + RECENT_MS, generation: this.#generation };
  }

  note(claims: AccessClaims, session: CachedSession, begun: Omit<Seen, "session">): void {
    if (session.state === "live") this.#seen.set(claims, { session, ...begun });
    else this.#seen.delete(claims);
  }

  forget(): void {
    this.#generation += 1;
  }
}
