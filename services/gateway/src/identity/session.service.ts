import type { IntrospectionView } from "@medvault/contracts";
import type { AccessClaims } from "./access-token.ts";
import { SessionEnded } from "./identity.errors.ts";
import type { CachedSession } from "./session-cache.store.ts";

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
  readonly #introspect: Introspect;
  readonly #asking = new Map<string, Promise<IntrospectionView | null>>();

  constructor(introspect: Introspect) {
    this.#introspect = introspect;
  }

  /**
   * The session behind a verified token, with what its role may do at this moment: a token carries its permissions
   * only until the role changes. `cached` is what Redis said of it. Throws SessionEnded, or Unavailable when Redis
   * does not know and auth cannot say.
   */
  async resolve(claims: AccessClaims, cached: CachedSession): Promise<SignedIn> {
    if (cached.state === "ended") throw new SessionEnded();
    const session =
      cached.state === "live"
        ? { ...cached, role: claims.role, scope: cached.scope ?? claims.scope }
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
