import { ROLES, type Role } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";

export interface RolePermissions {
  role: Role;
  /** Rises at every change. */
  version: number;
  permissions: string[];
}

const ROLE = `select r.role, r.version,
                     array(select p.permission from role_permissions p where p.role = r.role order by 1) as permissions
                from roles r`;

/** A role with what it may do now. Throws for one that no migration has seeded. */
export async function getRole(db: Db, role: string): Promise<RolePermissions> {
  const { rows } = await db.query<RolePermissions>(`${ROLE} where r.role = $1`, [role]);
  if (!rows[0]) throw new Error("a role that no migration has seeded");
  return rows[0];
}

/** As getRole, locked until the transaction ends: changes come one after the other. */
export async function lockRole(tx: Tx, role: string): Promise<RolePermissions> {
  await tx.query(`select from roles where role = $1 for no key update`, [role]);
  return getRole(tx, role);
}

/** Every role, in the order of ROLES. */
export async function listRoles(db: Db): Promise<RolePermissions[]> {
  const { rows } = await db.query<RolePermissions>(ROLE);
  return rows.sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role));
}

/** Replaces what a role may do; the answer has its new version. */
export async function replacePermissions(
  tx: Tx,
  role: string,
  permissions: readonly string[],
): Promise<RolePermissions> {
  await tx.query(`update roles set version = version + 1 where role = $1`, [role]);
  await tx.query(`delete from role_permissions where role = $1 and permission <> all($2::text[])`, [
    role,
    permissions,
  ]);
  await tx.query(
    `insert into role_permissions (role, permission) select $1, unnest($2::text[]) on conflict do nothing`,
    [role, permissions],
  );
  return getRole(tx, role);
}
