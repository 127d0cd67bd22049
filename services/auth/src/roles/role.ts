import type { Role } from "@medvault/contracts";
import { RoleProtected } from "./role.errors.ts";

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
/** Throws RoleProtected where `permissions` must not become those of `role`. */
export function assertAssignable(role: Role, permissions: readonly string[]): void {
  if (role === "guest") throw new RoleProtected();
  if (role !== "admin") return;
  if (!ADMINS_KEEP.every((permission) => permissions.includes(permission))) throw new RoleProtected();
}
