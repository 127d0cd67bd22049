import { type IntrospectionView, Unavailable } from "@medvault/contracts";
import type { AccessClaims } from "./access-token.ts";
import { SessionEnded } from "./identity.errors.ts";
import type { CachedSession, SessionCache } from "./session-cache.store.ts";

/** Who is signed in, as of now. */
export interface SignedIn {
  sub: string;
  sid: string;
  role: AccessClaims["role"];
  scope: string;
  authTime: number;
  amr: string[];
  /** May only set up a second factor. */
  enrollment: boolean;
}

/** Asks auth about a session; null when it has none that lives. Throws Unavailable. */
export type Introspect = (sid: string) => Promise<IntrospectionView | null>;

const ENROLL_SCOPE = "account:enroll:own";

export class Sessions {
  readonly #cache: SessionCache;
  readonly #introspect: Introspect;
  readonly #asking = new Map<string, Promise<IntrospectionView | null>>();

  constructor(cache: SessionCache, introspect: Introspect) {
    this.#cache = cache;
    this.#introspect = introspect;
  }

  /**
   * The session behind a verified token, with what its role may do at this moment: a token carries its permissions
   * only until the role changes. Throws SessionEnded, or Unavailable when neither Redis nor auth can say.
   */
  async check(claims: AccessClaims): Promise<SignedIn> {
    const cached = await this.#look(claims.sid);
    if (cached.state === "ended") throw new SessionEnded();
    const session =
      cached.state === "live"
        ? { ...cached, scope: cached.pv === claims.pv && !cached.enroll ? claims.scope : cached.scope }
        : await this.#ask(claims.sid);
    if (session.sub !== claims.sub || session.role !== claims.role) throw new SessionEnded();
    const enrollment = session.enroll || claims.scope === ENROLL_SCOPE;
    return {
      sub: claims.sub,
      sid: claims.sid,
      role: claims.role,
      scope: enrollment ? ENROLL_SCOPE : session.scope,
      authTime: claims.auth_time,
      amr: claims.amr,
      enrollment,
    };
  }

  async #look(sid: string): Promise<CachedSession> {
    try {
      return await this.#cache.look(sid, Date.now());
    } catch (cause) {
      throw new Unavailable(undefined, 2, { cause }); // liveness unknown is not liveness
    }
  }

  async #ask(sid: string): Promise<{ sub: string; role: string; scope: string; enroll: boolean }> {
    let asking = this.#asking.get(sid);
    if (!asking) {
      asking = this.#introspect(sid).finally(() => this.#asking.delete(sid));
      this.#asking.set(sid, asking);
    }
    const found = await asking;
    if (!found || Date.now() >= Math.min(found.idleEnd, found.absEnd)) throw new SessionEnded();
    return { sub: found.sub, role: found.role, scope: found.scope, enroll: found.enroll === "1" };
  }
}
