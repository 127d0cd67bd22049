import { z } from "zod";
import { AccountRole, personFields, personView, Username } from "../accounts/schemas.ts";
import { Email } from "../fields.ts";
import { Instant, PageQuery, page } from "../http.ts";
import { Id } from "../ids.ts";
import { PasskeyView } from "../passkeys/schemas.ts";
import { PERMISSIONS, ROLES } from "../permissions.ts";

export const UserView = z.object({
  id: Id,
  username: z.string(),
  email: z.string(),
  /** Whether somebody used a link that was mailed there, or an admin gave it. */
  emailConfirmed: z.boolean(),
  /** What an admin changed the address to: it waits for its mailed link, or for `pendingUntil`. */
  pendingEmail: z.string().nullable(),
  pendingUntil: Instant.nullable(),
  ...personView,
  role: AccountRole,
  disabled: z.boolean(),
  /** False until the invitation was accepted. */
  activated: z.boolean(),
  mfaEnabled: z.boolean(),
  maxConcurrent: z.int(),
  createdAt: Instant,
  updatedAt: Instant,
});
/** In a list, in the place of an account whose row was damaged and does not open. */
export const DamagedUser = z.strictObject({ id: Id, damaged: z.literal(true) });
/** Which second factors a user has. `DELETE /v1/users/{id}/factors/{factor}` removes one. */
export const UserFactors = z.object({
  totp: z.boolean(),
  passkeys: z.array(PasskeyView.omit({ name: true })),
  recoveryCodesLeft: z.int(),
});
export const UserDetailView = UserView.extend({ factors: UserFactors });
export const UserPage = page(z.union([UserView, DamagedUser]));
/** What another service may know of an active account. */
export const UserStanding = z.object({ id: Id, role: AccountRole });
/** Which roles hold a permission, for another service. */
export const HoldersQuery = z.strictObject({ permission: z.enum(PERMISSIONS) });
export const RoleHolders = z.object({ roles: z.array(z.enum(ROLES)) });
export const UserQuery = PageQuery.extend({
  role: AccountRole.optional(),
  disabled: z.stringbool().optional(),
}).strict();
export const NewUser = z.strictObject({
  username: Username,
  email: Email,
  role: AccountRole,
  disabled: z.boolean().default(false),
  ...z.object(personFields).partial().shape,
});
export type NewUser = z.infer<typeof NewUser>;
export const UserPatch = z
  .strictObject({
    username: Username,
    email: Email,
    role: AccountRole,
    disabled: z.boolean(),
    ...personFields,
  })
  .partial();
export type UserPatch = z.infer<typeof UserPatch>;

export const RoleView = z.object({
  role: z.enum(ROLES),
  permissions: z.array(z.string()),
  /** Rises at every change, and is the role's ETag; tokens made under an older one are refused. */
  version: z.int(),
  mfaRequired: z.boolean(),
});
/** `known`: what a role may be given; `forGuests`: what of it a guest may be. */
export const RoleList = z.object({
  items: z.array(RoleView),
  known: z.array(z.string()),
  forGuests: z.array(z.string()),
});
export const RolePermissions = z.strictObject({
  permissions: z.array(z.enum(PERMISSIONS)).max(PERMISSIONS.length),
});
export const SessionSettings = z.strictObject({ maxConcurrent: z.int().min(1).max(50) });
