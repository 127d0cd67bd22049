import type { IntrospectionView, SessionTransport } from "@medvault/contracts";
import type { AccessClaims } from "./access-token.ts";
import type { Client } from "./asserter.ts";
import { SessionEnded, TokenRefused } from "./identity.errors.ts";
import { type Bound, strangeness } from "./session-binding.ts";
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
  transport: SessionTransport;
  /** SHA-256 of the CSRF token, in hex; empty for a bearer session. */
  csrf: string;
}

/** What the gateway asks auth. Both throw Unavailable. */
export interface AskAuth {
  /** About a session; null when it has none that lives. */
  introspect(sid: string): Promise<IntrospectionView | null>;
  /** Tells of a client that is not like the session's; true when the session has ended by that. */
  reportStrange(sid: string, client: Client): Promise<boolean>;
}

/** A client as it uses a session. */
export interface Use extends Client {
  transport: SessionTransport;
}

interface Known extends Bound {
  sub: string;
  role: string;
  scope: string;
  enroll: boolean;
  transport: string;
  csrf: string;
}

const ENROLL_SCOPE = "account:enroll:own";
const REPORTED_MAX = 10_000;

export class Sessions {
  readonly #auth: AskAuth;
  readonly #asking = new Map<string, Promise<IntrospectionView | null>>();
  /** Strange clients of watched sessions that auth knows of, so that it is told once and not at each request. */
  readonly #reported = new Set<string>();

  constructor(auth: AskAuth) {
    this.#auth = auth;
  }

  /**
   * The session behind a verified token, with what its role may do at this moment: a token carries its permissions
   * only until the role changes. `cached` is what Redis said of it. Throws SessionEnded (also when this client ended it by
   * being another than its own), TokenRefused for a token that came another way than it was given out, or Unavailable
   * when Redis does not know and auth cannot say.
   */
  async resolve(claims: AccessClaims, cached: CachedSession, use: Use): Promise<SignedIn> {
    if (cached.state === "ended") throw new SessionEnded();
    const session: Known =
      cached.state === "live"
        ? { ...cached, role: claims.role, scope: cached.scope ?? claims.scope }
        : await this.#ask(claims.sid);
    if (session.sub !== claims.sub || session.role !== claims.role) throw new SessionEnded();
    if (session.transport !== use.transport) throw new TokenRefused();
    const strange = strangeness(session, use);
    if (strange) await this.#report(claims.sid, use, strange);
    const enrollment = session.enroll || claims.scope === ENROLL_SCOPE;
    return {
      sub: claims.sub,
      sid: claims.sid,
      role: claims.role,
      scope: enrollment ? ENROLL_SCOPE : session.scope,
      authTime: claims.auth_time,
      amr: claims.amr,
      enrollment,
      transport: session.transport,
      csrf: session.csrf,
    };
  }

  /** Where the binding is enforced nothing goes on until auth has ended the session; a watched one is not held up. */
  async #report(sid: string, client: Client, strange: "enforce" | "watch"): Promise<void> {
    const key = `${sid} ${client.ip} ${client.userAgent}`;
    if (strange === "watch") {
      if (this.#reported.has(key)) return;
      if (this.#reported.size >= REPORTED_MAX) this.#reported.clear();
      this.#reported.add(key);
      this.#auth.reportStrange(sid, client).catch(() => this.#reported.delete(key));
      return;
    }
    if (await this.#auth.reportStrange(sid, client)) throw new SessionEnded();
  }

  async #ask(sid: string): Promise<Known> {
    let asking = this.#asking.get(sid);
    if (!asking) {
      asking = this.#auth.introspect(sid).finally(() => this.#asking.delete(sid));
      this.#asking.set(sid, asking);
    }
    const found = await asking;
    if (!found || Date.now() >= Math.min(found.idleEnd, found.absEnd)) throw new SessionEnded();
    return { ...found, enroll: found.enroll === "1" };
  }
}
