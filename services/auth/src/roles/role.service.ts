import { type Actor, auditEvent, NotFound, ROLES, type Role } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import { type AuthContext, announce } from "../context.ts";
import { keepingRights } from "./kept-rights.ts";
import { listRoles, lockRole, type RolePermissions, replacePermissions } from "./role.store.ts";
import { assertAssignable } from "./role.ts";

/** What each role may do, edited at run time (A2). */
export function createRoles(ctx: AuthContext) {
  /** Every role; leaves one event. */
  async function list(actor: Actor): Promise<RolePermissions[]> {
    const roles = await listRoles(ctx.pool);
    await ctx.record(
      auditEvent(actor, {
        type: "medvault.auth.role.listed.v1",
        subject: "roles",
        action: "role:read",
        reason: "any",
      }),
    );
    return roles;
  }

  /**
   * Sets what a role may do; for tokens already out as well, once it resolves. Throws NotFound, RoleProtected,
   * WouldLockOut, or Unavailable when Redis could not be told (Postgres has it then, and Redis is told when it is back).
   */
  async function setPermissions(
    actor: Actor,
    name: string,
    permissions: readonly string[],
  ): Promise<RolePermissions> {
    const role = ROLES.find((known): known is Role => known === name);
    if (!role) throw new NotFound();
    await keepingRights(ctx, actor, { subject: `role/${role}`, action: "role:write" }, async () =>
      assertAssignable(actor.role, role, permissions),
    );
    const { before, after } = await inTransaction(ctx.pool, async (tx) => {
      const known = await lockRole(tx, role);
      const next = await replacePermissions(tx, role, [...new Set(permissions)]);
      const added = next.permissions.filter((p) => !known.permissions.includes(p));
      const removed = known.permissions.filter((p) => !next.permissions.includes(p));
      await announce(
        tx,
        auditEvent(actor, {
          type: "medvault.auth.role.changed.v1",
          subject: `role/${role}`,
          action: "role:write",
          reason: "any",
          // Permission names are codes of ours, so the log can say what was given and taken.
          fields: [...added.map((p) => `+${p}`), ...removed.map((p) => `-${p}`)].slice(0, 200),
          details: { version: next.version, added: added.length, removed: removed.length },
        }),
      );
      return { before: known, after: next };
    });
    await ctx.cache.putRole(after);
    ctx.logger.info(
      { role, version: after.version, count: before.permissions.length },
      "permissions changed",
    );
    return after;
  }

  return { list, setPermissions };
}

export type Roles = ReturnType<typeof createRoles>;
