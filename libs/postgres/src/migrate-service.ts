import type { ClientBase } from "pg";
import { assertMigrated, migrate } from "./migrate.ts";
import { createSchema, settlePrivileges } from "./privileges.ts";
import { type ServiceName, serviceMigrations, sysSchemaOf } from "./services.ts";
import type { Db } from "./types.ts";

export interface MigrateServiceOptions {
  /**
   * Another name for the business schema: a restore builds it there and renames it. It is made if
   * it is not there, with the privileges of the real one; the sys history is left alone.
   */
  schema?: string;
  /** The last business migration to apply, by name. */
  upTo?: string;
}

/**
 * Brings a service's two histories to what this code knows, sys first. `client` is the owner
 * role's, in the database that `provisionDatabase` has prepared. Throws as `migrate` does.
 */
export async function migrateService(
  client: ClientBase,
  service: ServiceName,
  options: MigrateServiceOptions = {},
): Promise<{ applied: string[] }> {
  const sys = sysSchemaOf(service);
  const schema = options.schema ?? service;
  const sources = serviceMigrations(service);
  const applied: string[] = [];
  if (schema === service) {
    await createSchema(client, service, sys);
    applied.push(
      ...(await migrate(client, { schema: sys, searchPath: [sys], sources: sources.sys })).applied,
    );
    await settlePrivileges(client, service, sys);
  }
  await createSchema(client, service, schema);
  const business = await migrate(client, {
    schema,
    searchPath: [schema, sys],
    sources: sources.business,
    ...(options.upTo === undefined ? {} : { upTo: options.upTo }),
  });
  await settlePrivileges(client, service, schema);
  return { applied: [...applied, ...business.applied] };
}

/** The boot check of a service: both histories, as `assertMigrated` has it. */
export async function assertServiceMigrated(db: Db, service: ServiceName): Promise<void> {
  const sources = serviceMigrations(service);
  await assertMigrated(db, { schema: sysSchemaOf(service), sources: sources.sys });
  await assertMigrated(db, { schema: service, sources: sources.business });
}
