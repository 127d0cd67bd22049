import { GUEST_PERMISSIONS, type Role } from "@medvault/contracts";
import { RoleProtected, WouldLockOut } from "./role.errors.ts";

/** Without these no admin could undo the change. */
const KEPT_BY_ADMINS = [
  "account:enroll:own",
  "account:read:own",
  "account:write:own",
  "session:end:own",
  "user:read:any",
  "user:write:any",
  "role:read:any",
  "role:write:any",
];
/** What nobody takes from their own role: with it gone they could not give it back. */
const KEPT_BY_CALLERS = ["role:read:any", "role:write:any"];

/**
 * Throws RoleProtected or WouldLockOut where a caller of the role `own` must not make `permissions`
 * those of `role`.
 */
export function requireAssignable(own: string, role: Role, permissions: readonly string[]): void {
  const isForAnyone = permissions.every((one) => GUEST_PERMISSIONS.includes(one));
  if (role === "guest" && !isForAnyone) throw new RoleProtected();
  const kept = [...(role === "admin" ? KEPT_BY_ADMINS : []), ...(role === own ? KEPT_BY_CALLERS : [])];
  if (!kept.every((permission) => permissions.includes(permission))) throw new WouldLockOut();
}
