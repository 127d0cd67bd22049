import { hash } from "node:crypto";
import type { Binding, SessionTransport } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import type { AccessClaims } from "./access-token.ts";
import type { Client } from "./client.ts";

/** A client as it uses a session. */
export interface SessionUse extends Client {
  requestId: string;
  transport: SessionTransport;
}

/** What a session is bound to, as auth wrote it. */
export interface SessionBinding {
  /** SHA-256 of the user agent, in hex. */
  uaHash: string;
  /** The address, or its /64. */
  net: string;
  bindAgent: Binding;
  bindAddress: Binding;
}

/** A session that lives, whether Redis or auth says so. */
export interface LiveSession extends SessionBinding {
  sub: string;
  role: string;
  scope: string;
  /** May only set up a second factor. */
  enroll: boolean;
  transport: SessionTransport;
  /** SHA-256 of the CSRF token, in hex; empty for a bearer session. */
  csrf: string;
}

/**
 * What Redis says of a session. `unknown`: ask auth (a miss, or auth has not filled Redis). `scope`
 * is null while the permissions of the role are still those that the token carries.
 */
export type CachedSession =
  | { state: "unknown" | "ended" }
  | ({ state: "live"; scope: string | null } & Omit<LiveSession, "role" | "scope">);

/** Who is signed in, as of now. */
export interface SignedIn extends Pick<LiveSession, "transport" | "csrf"> {
  sub: string;
  sid: string;
  role: AccessClaims["role"];
  scope: string;
  authTime: number;
  amr: string[];
  /** May only set up a second factor. */
  enrollment: boolean;
  /** The token by which they are. */
  claims: AccessClaims;
}

/**
 * What to do about a client that is not the one that a session is bound to: `enforce` (auth ends
 * the session) or `watch` (auth notes it). Null where it is the same client, or the binding is off.
 */
export function bindingViolation(bound: SessionBinding, client: Client): "enforce" | "watch" | null {
  const violated: Binding[] = [];
  if (bound.bindAgent !== "off" && hash("sha256", client.userAgent, "hex") !== bound.uaHash) {
    violated.push(bound.bindAgent);
  }
  if (bound.bindAddress !== "off" && networkOf(client.ip) !== bound.net) violated.push(bound.bindAddress);
  if (violated.includes("enforce")) return "enforce";
  return violated.includes("watch") ? "watch" : null;
}
