import type { ClientBase } from "pg";
import { ddl } from "./identifiers.ts";
import { BACKED_UP_SERVICES, OWNER_ROLE, roleOf, type ServiceName, sysSchemaOf } from "./services.ts";

// Two that grant at once fail with "tuple concurrently updated": they take turns.
const PRIVILEGES_LOCK = 7_102_203;

// Tables of a sys schema that backup reads: keysets, and what must be in no kept backup.
const KEY_TABLES = ["keys", "subject_keys", "service_key_versions", "shreds"];
// What a service may ask of backup: how many kept keys still need a version of its key.
const KEYSETS_NEEDING = "keysets_needing";

/**
 * Makes a schema of the service, owned by the owner role, with what its role may do to tables to
 * come: select, insert, update, delete; no create, no drop, no truncate. Business schemas of
 * backed-up services can be read by the backup role. Idempotent; run by the owner role or a
 * superuser. The privileges belong to the schema, so a rename keeps them.
 */
export async function createSchema(client: ClientBase, service: ServiceName, schema: string): Promise<void> {
  await inTurn(client, () => createAndGrant(client, service, schema));
}

/** Runs `work` in a transaction of its own, one call at a time for a lock and database. */
export async function inTurn(
  client: ClientBase,
  work: () => Promise<void>,
  lock = PRIVILEGES_LOCK,
): Promise<void> {
  await client.query("begin");
  try {
    await client.query("select pg_advisory_xact_lock($1)", [lock]);
    await work();
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

/** Runs one statement of DDL whose names and literals are quoted by `ddl`. */
export async function runDdl(client: ClientBase, template: string, ...values: string[]): Promise<void> {
  await client.query(ddl(template, ...values));
}

async function createAndGrant(client: ClientBase, service: ServiceName, schema: string): Promise<void> {
  await runDdl(client, "create schema if not exists %I authorization %I", schema, OWNER_ROLE);
  await runDdl(client, "revoke all on schema %I from public", schema);
  await grantToCome(client, schema, roleOf(service), [
    "select, insert, update, delete on tables",
    "usage, select on sequences",
    "execute on functions",
    "usage on types",
  ]);
  const isBusiness = schema !== sysSchemaOf(service);
  if (isBusiness && BACKED_UP_SERVICES.includes(service)) {
    await grantToCome(client, schema, roleOf("backup"), ["select on tables"]);
  }
}

/** Lets a role into a schema, with these privileges on all that the owner makes there later. */
async function grantToCome(
  client: ClientBase,
  schema: string,
  role: string,
  privileges: readonly string[],
): Promise<void> {
  await runDdl(client, "grant usage on schema %I to %I", schema, role);
  for (const privilege of privileges) {
    const grant = `alter default privileges for role %I in schema %I grant ${privilege} to %I`;
    await runDdl(client, grant, OWNER_ROLE, schema, role);
  }
}

/** After a history has run: the service must not change it, and backup may read key tables. */
export async function settlePrivileges(
  client: ClientBase,
  service: ServiceName,
  schema: string,
): Promise<void> {
  await inTurn(client, () => settle(client, service, schema));
}

async function settle(client: ClientBase, service: ServiceName, schema: string): Promise<void> {
  const history = "revoke insert, update, delete on %I.schema_migrations from %I";
  await runDdl(client, history, schema, roleOf(service));
  if (service === "backup") await letServicesAsk(client, schema);
  if (schema !== sysSchemaOf(service)) return;
  const backup = roleOf("backup");
  const { rows } = await client.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = any($2::text[]) and c.relkind in ('r', 'p')`,
    [schema, KEY_TABLES],
  );
  if (rows.length > 0) await runDdl(client, "grant usage on schema %I to %I", schema, backup);
  for (const { name } of rows) await runDdl(client, "grant select on %I.%I to %I", schema, name, backup);
}

/** The one function of backup's schema for others. It answers with a number, as its owner. */
async function letServicesAsk(client: ClientBase, schema: string): Promise<void> {
  const { rows } = await client.query<{ role: string }>(
    `select r.rolname as role from pg_proc p join pg_namespace n on n.oid = p.pronamespace, pg_roles r
      where n.nspname = $1 and p.proname = $2 and r.rolname = any($3::text[])`,
    [schema, KEYSETS_NEEDING, BACKED_UP_SERVICES.map(roleOf)],
  );
  const grant = "grant execute on function %I.%I(text, bigint, timestamptz) to %I";
  for (const { role } of rows) {
    await runDdl(client, "grant usage on schema %I to %I", schema, role);
    await runDdl(client, grant, schema, KEYSETS_NEEDING, role);
  }
}
