import { PERMISSIONS, RoleList, RolePermissions, RoleView } from "@medvault/contracts";
import { actorOf, allow, parse, requireStepUp } from "@medvault/service-kit";
import type { Router } from "express";
import { mfaRequiredFor } from "../accounts/account.ts";
import type { AuthContext } from "../context.ts";
import { setPermissions, viewRoles } from "./role.service.ts";
import type { RolePermissions as Role } from "./role.store.ts";

export function roleRoutes(router: Router, ctx: AuthContext): void {
  router.get("/v1/roles", allow("role:read"), async (req, res) => {
    const items = (await viewRoles(ctx, actorOf(req))).map(present);
    res.json(RoleList.parse({ items, known: [...PERMISSIONS] }));
  });

  router.put("/v1/roles/:role/permissions", allow("role:write"), requireStepUp(), async (req, res) => {
    const { permissions } = parse(RolePermissions, req.body);
    res.json(
      RoleView.parse(
        present(await setPermissions(ctx, actorOf(req), { role: String(req.params.role), permissions })),
      ),
    );
  });
}

function present(role: Role) {
  return { ...role, mfaRequired: mfaRequiredFor(role.role) };
}
