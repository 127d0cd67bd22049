import { GUEST_PERMISSIONS, PERMISSIONS, roleApi } from "@medvault/contracts";
import { type Route, route } from "@medvault/service-kit";
import { mfaRequiredFor } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { setPermissions, viewRoles } from "./role.service.ts";
import { listRoles, type RolePermissions } from "./role.store.ts";

export const roleRoutes = (ctx: AuthContext): Route[] => [
  route(roleApi.list, async ({ actor, query: { limit } }) => ({
    body: {
      items: (await viewRoles(ctx, actor)).slice(0, limit).map(present),
      known: [...PERMISSIONS],
      forGuests: [...GUEST_PERMISSIONS],
    },
  })),
  route(roleApi.listHolders, async ({ query: { permission } }) => {
    const roles = await listRoles(ctx.pool);
    return {
      body: { roles: roles.filter((one) => one.permissions.includes(permission)).map(({ role }) => role) },
    };
  }),
  route(roleApi.setPermissions, async ({ actor, params, body, ifMatch }) => {
    const role = await setPermissions(ctx, actor, { ...params, ...body, version: ifMatch });
    return { body: present(role), rev: role.version };
  }),
];

function present(role: RolePermissions) {
  return { ...role, mfaRequired: mfaRequiredFor(role.role) };
}
