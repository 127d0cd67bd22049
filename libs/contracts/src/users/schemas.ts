import { z } from "zod";
import { AccountRole, Username } from "../accounts/schemas.ts";
import { Email } from "../fields.ts";
import { Instant, PageQuery, page } from "../http.ts";
import { Id } from "../ids.ts";
import { PERMISSIONS, ROLES } from "../permissions.ts";

export const UserView = z.object({
  id: Id,
  username: z.string(),
  email: z.string(),
  role: AccountRole,
  disabled: z.boolean(),
  /** False until the invitation was accepted. */
  activated: z.boolean(),
  mfaEnabled: z.boolean(),
  maxConcurrent: z.int(),
  createdAt: Instant,
  updatedAt: Instant,
});
export const UserPage = page(UserView);
export const UserQuery = PageQuery.extend({
  role: AccountRole.optional(),
  disabled: z.stringbool().optional(),
}).strict();
export const NewUser = z.strictObject({
  username: Username,
  email: Email,
  role: AccountRole,
  disabled: z.boolean().default(false),
});
export type NewUser = z.infer<typeof NewUser>;
export const UserPatch = z
  .strictObject({ username: Username, email: Email, role: AccountRole, disabled: z.boolean() })
  .partial();
export type UserPatch = z.infer<typeof UserPatch>;

export const RoleView = z.object({
  role: z.enum(ROLES),
  permissions: z.array(z.string()),
  /** Rises at every change; tokens made under an older one are refused. */
  version: z.int(),
  mfaRequired: z.boolean(),
});
export const RoleList = z.object({ items: z.array(RoleView), known: z.array(z.string()) });
export const RolePermissions = z.strictObject({
  permissions: z.array(z.enum(PERMISSIONS)).max(PERMISSIONS.length),
});
export const SessionSettings = z.strictObject({ maxConcurrent: z.int().min(1).max(50) });
