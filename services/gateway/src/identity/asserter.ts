import { createHash } from "node:crypto";
import { type AssertionKey, type Claims, signAssertion } from "@medvault/service-kit";
import type { SignedIn } from "./session.service.ts";

/** A signature costs some 60 µs and a verification 150 µs: an assertion serves its caller for this long. */
const REUSE_MS = 5_000;
const MAX_KEPT = 5_000;

export interface Client {
  ip: string;
  userAgent: string;
}

/** The gateway's word about who asks (ARCHITECTURE.md, "Access"). */
export class Asserter {
  readonly #key: AssertionKey;
  readonly #kept = new Map<string, { token: Promise<string>; until: number }>();

  constructor(key: AssertionKey) {
    this.#key = key;
  }

  /** For someone signed in, or for a guest. */
  forClient(client: Client, signedIn: SignedIn | null, audiences: readonly string[]): Promise<string> {
    const claims: Claims = {
      sub: signedIn?.sub ?? "guest",
      role: signedIn?.role ?? "guest",
      sid: signedIn?.sid ?? null,
      scope: signedIn?.scope ?? "",
      auth_time: signedIn?.authTime ?? 0,
      amr: signedIn?.amr ?? [],
      ip: client.ip,
      ua: client.userAgent,
    };
    return this.#sign(claims, audiences);
  }

  /** For the gateway's own questions to auth. */
  forItself(): Promise<string> {
    const claims: Claims = {
      sub: "service:gateway",
      role: "service",
      sid: null,
      scope: "session:introspect session:introspect:any",
      auth_time: 0,
      amr: [],
      ip: "127.0.0.1",
      ua: "medvault-gateway",
    };
    return this.#sign(claims, ["auth"]);
  }

  #sign(claims: Claims, audiences: readonly string[]): Promise<string> {
    const key = createHash("sha256")
      .update(JSON.stringify([claims, audiences]))
      .digest("base64url");
    const now = Date.now();
    const kept = this.#kept.get(key);
    if (kept && kept.until > now) return kept.token;
    if (this.#kept.size >= MAX_KEPT) {
      const oldest = this.#kept.keys().next();
      if (!oldest.done) this.#kept.delete(oldest.value);
    }
    const token = signAssertion(this.#key, claims, [...audiences]);
    this.#kept.delete(key); // so that the newest stands last
    this.#kept.set(key, { token, until: now + REUSE_MS });
    return token;
  }
}
