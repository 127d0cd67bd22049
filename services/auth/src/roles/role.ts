import type { Role } from "@medvault/contracts";
import { RoleProtected, WouldLockOut } from "./role.errors.ts";

/** Without these no admin could undo the change. */
const ADMINS_KEEP = [
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
const ASKERS_KEEP = ["role:read:any", "role:write:any"];

/** Throws RoleProtected or WouldLockOut where somebody of the role `asker` must not make `permissions` those of `role`. */
export function assertAssignable(asker: string, role: Role, permissions: readonly string[]): void {
  if (role === "guest") throw new RoleProtected();
  const kept = [...(role === "admin" ? ADMINS_KEEP : []), ...(role === asker ? ASKERS_KEEP : [])];
  if (!kept.every((permission) => permissions.includes(permission))) throw new WouldLockOut();
}
