import { type ResourceAction, type Role, SCOPES, type Scope } from "./permissions.ts";

/** A person's role, or `service` for a service that speaks for itself. */
export type ActorRole = Role | "service";

/**
 * The caller. Every function that touches patient data takes one, so that the check cannot be
 * forgotten. `id` is a user's id, `guest` for anyone not signed in, `service:<name>` for a service.
 */
export interface Actor {
  id: string;
  role: ActorRole;
  sessionId: string | null;
  permissions: ReadonlySet<string>;
  /** When the person last proved who they are, in seconds since 1970; 0 for a guest. */
  authTime: number;
  /** How (RFC 8176): `pwd`, `otp`, … */
  amr: string[];
  ip: string;
  userAgent: string;
  requestId: string;
  /** HL7 PurposeOfUse code of `X-Purpose`, if one was given. */
  purpose: string | null;
  traceparent: string | null;
}

/** The widest scope in which the actor holds `resource:action`; null where they hold none. */
export function scopeOf(actor: Actor, resourceAction: ResourceAction | (string & {})): Scope | null {
  for (let i = SCOPES.length - 1; i >= 0; i--) {
    const scope = SCOPES[i];
    if (scope && actor.permissions.has(`${resourceAction}:${scope}`)) return scope;
  }
  return null;
}

/** HL7 v3 PurposeOfUse codes that `X-Purpose` may carry. */
export const PURPOSES = ["TREAT", "ETREAT", "HPAYMT", "HOPERAT", "PATRQT", "HLEGAL", "PUBHLTH"] as const;
export type Purpose = (typeof PURPOSES)[number];

/**
 * For what the caller acts. openapi.json: the purpose of doctors is TREAT unless they give another.
 */
export function purposeOf(actor: Actor | null): string | null {
  return actor?.purpose ?? (actor?.role === "doctor" ? "TREAT" : null);
}
