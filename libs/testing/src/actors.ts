import {
  type Actor,
  type ActorRole,
  DEFAULT_PERMISSIONS,
  newId,
  ROLES,
  type Role,
} from "@medvault/contracts";

export type ActorOverrides = Partial<Omit<Actor, "permissions">> & { permissions?: Iterable<string> };

function isRole(role: ActorRole): role is Role {
  return (ROLES as readonly string[]).includes(role);
}

/** An actor with the role's permissions, signed in just now with a second factor; not a guest. */
export function actor(role: ActorRole, overrides: ActorOverrides = {}): Actor {
  const signedIn = role !== "guest" && role !== "service";
  const { permissions, ...rest } = overrides;
  return {
    id: signedIn ? newId() : role === "guest" ? "guest" : "service:test",
    role,
    sessionId: signedIn ? newId() : null,
    authTime: signedIn ? Math.floor(Date.now() / 1000) : 0,
    amr: signedIn ? ["pwd", "otp"] : [],
    ip: "192.0.2.1",
    userAgent: "vitest",
    requestId: newId(),
    purpose: null,
    traceparent: null,
    ...rest,
    permissions: new Set(permissions ?? (isRole(role) ? DEFAULT_PERMISSIONS[role] : [])),
  };
}
