import { setTimeout as delay } from "node:timers/promises";
import type { ClientBase } from "pg";
import { codeOf } from "./errors.ts";
import { createSchema, inTurn, runDdl } from "./privileges.ts";
import { scramVerifier } from "./scram.ts";
import { OWNER_ROLE, roleOf, SERVICES_WITH_DATA, type ServiceName, sysSchemaOf } from "./services.ts";

export interface RolePasswords {
  ownerPassword: string;
  services: readonly { name: ServiceName; password: string }[];
}

// Roles belong to the whole cluster; two set-ups at once fail with "tuple concurrently updated".
// The lock keeps those in one database apart; those in two collide and try again.
const ROLES_LOCK = 7_102_201;
const UNIQUE_VIOLATION = "23505";
const INTERNAL_ERROR = "XX000";
const MAX_ATTEMPTS = 5;
const COLLISION_PAUSE_MS = 50;

/**
 * Makes the roles medvault_owner and medvault_<service>, or sets their passwords and revokes what
 * they should not have. Passwords leave as SCRAM verifiers. Idempotent. Needs CREATEROLE.
 */
export async function provisionRoles(superuser: ClientBase, passwords: RolePasswords): Promise<void> {
  const roles = [
    { role: OWNER_ROLE, password: passwords.ownerPassword },
    ...passwords.services.map(({ name, password }) => ({ role: roleOf(name), password })),
  ];
  const verifiers = await Promise.all(
    roles.map(async ({ role, password }) => ({ role, verifier: await scramVerifier(password) })),
  );
  const provisionAll = async () => {
    for (const { role, verifier } of verifiers) await provisionRole(superuser, role, verifier);
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTurn(superuser, provisionAll, ROLES_LOCK);
    } catch (error) {
      if (!isCollision(error) || attempt === MAX_ATTEMPTS) throw error;
      await delay(COLLISION_PAUSE_MS * attempt * (0.5 + Math.random()));
    }
  }
}

function isCollision(error: unknown): boolean {
  const code = codeOf(error);
  return code === UNIQUE_VIOLATION || (code === INTERNAL_ERROR && /concurrently/.test(String(error)));
}

async function provisionRole(superuser: ClientBase, role: string, verifier: string): Promise<void> {
  const { rowCount } = await superuser.query("select from pg_roles where rolname = $1", [role]);
  if (rowCount === 0) await runDdl(superuser, "create role %I", role);
  const { rowCount: mighty } = await superuser.query(
    "select from pg_roles where rolname = $1 and (rolsuper or rolbypassrls or rolreplication)",
    [role],
  );
  // Only a superuser may name these attributes, even to remove them; a new role has none.
  if (mighty !== 0) await runDdl(superuser, "alter role %I nosuperuser nobypassrls noreplication", role);
  const attributes = "alter role %I login nocreatedb nocreaterole noinherit password %L";
  await runDdl(superuser, attributes, role, verifier);
}

/**
 * Prepares the database that `superuser` is connected to: roles, nothing for PUBLIC, two schemas
 * per service owned by medvault_owner, and each role's way to its own two schemas alone.
 * Idempotent; the tables come by `migrateService`.
 */
export async function provisionDatabase(superuser: ClientBase, passwords: RolePasswords): Promise<void> {
  await provisionRoles(superuser, passwords);
  await actAsOwner(superuser);
  await provisionSchemas(superuser);
  await grantDatabase(superuser);
}

/** A superuser needs no membership; a managed server's administrator does, to make schemas. */
async function actAsOwner(superuser: ClientBase): Promise<void> {
  const { rows } = await superuser.query<{ rolsuper: boolean }>(
    "select rolsuper from pg_roles where rolname = current_user",
  );
  if (rows[0]?.rolsuper !== true) await runDdl(superuser, "grant %I to current_user", OWNER_ROLE);
}

/** The part of `provisionDatabase` that a template's clone keeps: schemas, default privileges. */
export async function provisionSchemas(superuser: ClientBase): Promise<void> {
  await inTurn(superuser, () => takeFromPublic(superuser));
  for (const service of SERVICES_WITH_DATA) {
    await createSchema(superuser, service, service);
    await createSchema(superuser, service, sysSchemaOf(service));
  }
}

async function takeFromPublic(superuser: ClientBase): Promise<void> {
  await superuser.query("revoke all on schema public from public");
  const statements = [
    "alter default privileges for role %I revoke execute on functions from public",
    "alter default privileges for role %I revoke usage on types from public",
  ];
  for (const statement of statements) await runDdl(superuser, statement, OWNER_ROLE);
}

/** Grants that a template's clone loses: who may connect, each role's search_path. Idempotent. */
export async function grantDatabase(superuser: ClientBase): Promise<void> {
  await inTurn(superuser, () => grantConnections(superuser));
}

async function grantConnections(superuser: ClientBase): Promise<void> {
  const { rows } = await superuser.query<{ name: string }>("select current_database() as name");
  const database = rows[0]?.name ?? "";
  await runDdl(superuser, "revoke all on database %I from public", database);
  // The restore job makes schemas and renames them; renaming one takes CREATE on the database too.
  await runDdl(superuser, "grant connect, create, temporary on database %I to %I", database, OWNER_ROLE);
  const searchPath = "alter role %I in database %I set search_path = %I, %I";
  for (const service of SERVICES_WITH_DATA) {
    const role = roleOf(service);
    await runDdl(superuser, "grant connect on database %I to %I", database, role);
    await runDdl(superuser, searchPath, role, database, service, sysSchemaOf(service));
  }
}
