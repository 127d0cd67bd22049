/** The roles that people can have. `guest` is anyone not signed in. */
export const ROLES = ["guest", "patient", "doctor", "auditor", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Scopes from narrow to wide: the caller's own, the patients assigned to them, everyone's. */
export const SCOPES = ["own", "assigned", "any"] as const;
export type Scope = (typeof SCOPES)[number];

/** Every `resource:action` there is, with the scopes in which it can be granted. */
const GRANTABLE = {
  "account:read": ["own"],
  "account:write": ["own"],
  "account:enroll": ["own"],
  "account:register": ["own"],
  "session:read": ["own", "any"],
  "session:end": ["own", "any"],
  "user:read": ["any"],
  "user:write": ["any"],
  "user:delete": ["any"],
  "directory:read": ["own", "any"],
  "role:read": ["any"],
  "role:write": ["any"],
  "patient:read": ["own", "assigned", "any"],
  "patient:write": ["own", "assigned", "any"],
  "patient:search": ["assigned", "any"],
  "careteam:read": ["own", "assigned", "any"],
  "careteam:write": ["assigned", "any"],
  "access:read": ["own", "any"],
  "breakglass:write": ["any"],
  "breakglass:read": ["own", "assigned", "any"],
  "breakglass:review": ["any"],
  "consent:read": ["own", "any"],
  "consent:write": ["own", "any"],
  "erasure:read": ["any"],
  "erasure:write": ["any"],
  "legalhold:read": ["any"],
  "legalhold:write": ["any"],
  "record:read": ["own", "assigned", "any"],
  "record:write": ["assigned", "any"],
  "record:delete": ["assigned", "any"],
  "prescription:read": ["own", "assigned", "any"],
  "prescription:write": ["assigned", "any"],
  "prescription:delete": ["assigned", "any"],
  "prescription:search": ["own", "assigned", "any"],
  "claim:read": ["own", "assigned", "any"],
  "claim:write": ["assigned", "any"],
  "claim:decide": ["any"],
  "appointment:read": ["own", "assigned", "any"],
  "appointment:write": ["own", "assigned", "any"],
  "appointment:delete": ["assigned", "any"],
  "fhir:import": ["assigned", "any"],
  "fhir:export": ["own", "assigned", "any"],
  "file:read": ["own", "assigned", "any"],
  "file:write": ["own", "assigned", "any"],
  "file:delete": ["assigned", "any"],
  "phi:unmask": ["own", "assigned", "any"],
  "audit:read": ["own", "any"],
  "audit:proof": ["any"],
  "audit:verify": ["any"],
  "alert:read": ["any"],
  "alert:write": ["any"],
  "backup:read": ["any"],
  "backup:write": ["any"],
  "backup:restore": ["any"],
  "backup:delete": ["any"],
} as const satisfies Record<string, readonly Scope[]>;

/** `resource:action`, the key that `allow()` and `scopeOf()` take. */
export type ResourceAction = keyof typeof GRANTABLE | "session:introspect";

/** For services alone, never a role: the gateway asks auth about a session unknown to Redis. */
export const SERVICE_PERMISSIONS: readonly string[] = ["session:introspect:any"];

/** Every permission that a role can hold: `resource:action:scope`. */
export const PERMISSIONS: readonly string[] = Object.entries(GRANTABLE).flatMap(([key, scopes]) =>
  scopes.map((scope) => `${key}:${scope}`),
);

const SIGNED_IN = [
  "account:read:own",
  "account:write:own",
  "account:enroll:own",
  "session:read:own",
  "session:end:own",
  "audit:proof:any", // checkpoints, tiles and proofs hold no bodies
] as const;

/** What people who are not signed in may do and others need not: make an account of their own. */
const REGISTER = "account:register:own";

/**
 * What a guest may be given: nothing of anybody, and nothing that changes what others have. The
 * audit log's checkpoints, tiles and proofs of consistency hold no bodies; anyone who follows the
 * log from outside needs them.
 */
export const GUEST_PERMISSIONS: readonly string[] = [REGISTER, "audit:proof:any"];

/** Whether a guest may ever be admitted by this permission. */
export const isForGuests = (permission: ResourceAction): boolean =>
  GUEST_PERMISSIONS.some((one) => one.startsWith(`${permission}:`));

/** The widest grant of everything: admins reach all, audited (ARCHITECTURE.md, "Access"). */
const EVERYTHING = Object.entries(GRANTABLE)
  .map(([key, scopes]) => `${key}:${scopes[scopes.length - 1]}`)
  .filter((permission) => permission !== REGISTER);

/** What each role holds until an admin changes it at run time. */
export const DEFAULT_PERMISSIONS: Readonly<Record<Role, readonly string[]>> = {
  guest: [REGISTER],
  patient: [
    ...SIGNED_IN,
    "directory:read:own",
    "patient:read:own",
    "patient:write:own",
    "careteam:read:own",
    "access:read:own",
    "breakglass:read:own",
    "consent:read:own",
    "consent:write:own",
    "record:read:own",
    "prescription:read:own",
    "prescription:search:own",
    "claim:read:own",
    "appointment:read:own",
    "appointment:write:own",
    "fhir:export:own",
    "file:read:own",
    "file:write:own",
    "phi:unmask:own",
    "audit:read:own",
  ],
  doctor: [
    ...SIGNED_IN,
    "directory:read:any",
    "patient:read:assigned",
    "patient:write:assigned",
    "patient:search:assigned",
    "careteam:read:assigned",
    "careteam:write:assigned",
    "breakglass:write:any",
    "breakglass:read:assigned",
    "record:read:assigned",
    "record:write:assigned",
    "record:delete:assigned",
    "prescription:read:assigned",
    "prescription:write:assigned",
    "prescription:delete:assigned",
    "prescription:search:assigned",
    "claim:read:assigned",
    "claim:write:assigned",
    "appointment:read:assigned",
    "appointment:write:assigned",
    "appointment:delete:assigned",
    "fhir:import:assigned",
    "fhir:export:assigned",
    "file:read:assigned",
    "file:write:assigned",
    "file:delete:assigned",
    "phi:unmask:assigned",
  ],
  auditor: [
    ...SIGNED_IN,
    "directory:read:any",
    "audit:read:any",
    "audit:verify:any",
    "alert:read:any",
    "alert:write:any",
    "breakglass:read:any",
    "breakglass:review:any",
    "erasure:read:any",
    "legalhold:read:any",
  ],
  admin: [...new Set([...SIGNED_IN, ...EVERYTHING])],
};
