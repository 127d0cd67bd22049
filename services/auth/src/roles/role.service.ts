import { type Actor, auditEvent, deniedEvent, NotFound, ROLES, VersionConflict } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction } from "@medvault/postgres";
import type { AuthContext } from "../context.ts";
import { SelfLockout } from "./role.errors.ts";
import { listRoles, lockRole, type RolePermissions, replacePermissions } from "./role.store.ts";
import { requireAssignable } from "./role.ts";

/** What each role may do (A2); leaves one event. */
export async function viewRoles(ctx: AuthContext, actor: Actor): Promise<RolePermissions[]> {
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
 * Sets what a role may do; for tokens already out as well, once it resolves. Throws NotFound,
 * VersionConflict, RoleProtected, WouldLockOut, or Unavailable when Redis could not be reached
 * (Postgres has it then, and Redis gets it at the next connect).
 */
export async function setPermissions(
  ctx: AuthContext,
  actor: Actor,
  input: { role: string; permissions: readonly string[]; version: number | null },
): Promise<RolePermissions> {
  const role = ROLES.find((known) => known === input.role);
  if (!role) throw new NotFound();
  const changed = { subject: `role/${role}`, action: "role:write" };
  await auditSelfLockout(ctx, actor, changed, async () =>
    requireAssignable(actor.role, role, input.permissions),
  );
  const { before, after } = await inTransaction(ctx.pool, async (tx) => {
    const known = await lockRole(tx, role);
    if (input.version !== null && input.version !== known.version) throw new VersionConflict();
    const next = await replacePermissions(tx, role, [...new Set(input.permissions)]);
    const added = next.permissions.filter((p) => !known.permissions.includes(p));
    const removed = known.permissions.filter((p) => !next.permissions.includes(p));
    const event = auditEvent(actor, {
      type: "medvault.auth.role.changed.v1",
      ...changed,
      reason: "any",
      // Permission names are codes of ours, so the log can say what was given and taken.
      fields: [...added.map((p) => `+${p}`), ...removed.map((p) => `-${p}`)].slice(0, 200),
      details: { version: next.version, added: added.length, removed: removed.length },
    });
    await emit(tx, "auth", event);
    return { before: known, after: next };
  });
  await ctx.cache.putRole(after);
  ctx.logger.info({ role, version: after.version, count: before.permissions.length }, "permissions changed");
  return after;
}

/** Runs a change of rights; a refusal because rights must be kept leaves its event. */
export async function auditSelfLockout<T>(
  ctx: AuthContext,
  actor: Actor,
  what: { subject: string; action: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SelfLockout)) throw error;
    const denied = { type: "medvault.auth.rights.kept.v1", reason: error.code, ...what };
    return ctx.refuse(error, deniedEvent(actor, denied));
  }
}
