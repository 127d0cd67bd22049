import { type AssertionKey, BoundedMap, type Claims, signAssertion } from "@medvault/service-kit";
import type { Client } from "./client.ts";
import type { SignedIn } from "./session.ts";

/** To sign costs some 60 µs, to verify 150 µs: an assertion is reused for this long. */
const REUSE_MS = 5_000;
const MAX_KEPT = 5_000;

const ITSELF: Client = { ip: "127.0.0.1", userAgent: "medvault-gateway" };

/** Signs assertions of who asks (ARCHITECTURE.md, "Access"), and reuses them for some seconds. */
export class Asserter {
  readonly #key: AssertionKey;
  readonly #kept = new BoundedMap<string, { claims: Claims; token: Promise<string>; until: number }>(
    MAX_KEPT,
  );

  constructor(key: AssertionKey) {
    this.#key = key;
  }

  /** For someone signed in, or for a guest. */
  forClient(
    client: Client,
    { signedIn, guestScope }: { signedIn: SignedIn | null; guestScope: string },
    audiences: readonly string[],
  ): Promise<string> {
    const claims: Claims = {
      sub: signedIn?.sub ?? "guest",
      role: signedIn?.role ?? "guest",
      sid: signedIn?.sid ?? null,
      scope: signedIn ? signedIn.scope : guestScope,
      auth_time: signedIn?.authTime ?? 0,
      amr: signedIn?.amr ?? [],
      ip: client.ip,
      ua: client.userAgent,
    };
    return this.#sign(`${claims.sid} ${audiences} ${claims.ip} ${claims.ua}`, claims, audiences);
  }

  /** For the gateway's own calls to auth; `about` is the client that a call is about. */
  forItself(about: Client = ITSELF): Promise<string> {
    const claims: Claims = {
      sub: "service:gateway",
      role: "service",
      sid: null,
      scope: "session:introspect session:introspect:any",
      auth_time: 0,
      amr: [],
      ip: about.ip,
      ua: about.userAgent,
    };
    return this.#sign(`service:gateway ${about.ip} ${about.userAgent}`, claims, ["auth"]);
  }

  /** `key`: the caller and all that may differ within a session, except its permissions. */
  #sign(key: string, claims: Claims, audiences: readonly string[]): Promise<string> {
    const now = Date.now();
    const kept = this.#kept.get(key);
    if (kept && kept.until > now && isSame(kept.claims, claims)) return kept.token;
    const token = signAssertion(this.#key, claims, [...audiences]);
    this.#kept.set(key, { claims, token, until: now + REUSE_MS });
    return token;
  }
}

function isSame(one: Claims, other: Claims): boolean {
  return (
    one.scope === other.scope &&
    one.sub === other.sub &&
    one.role === other.role &&
    one.auth_time === other.auth_time &&
    one.amr.length === other.amr.length &&
    one.amr.every((method, i) => method === other.amr[i])
  );
}
