import { createHash } from "node:crypto";
import {
  ddl,
  grantDatabase,
  migrateService,
  OWNER_ROLE,
  provisionDatabase,
  type RolePasswords,
  readMigrations,
  SERVICES_WITH_DATA,
  type ServiceName,
  serviceMigrations,
} from "@medvault/postgres";
import pg from "pg";
import { sharedPassword } from "./passwords.ts";

// Raise it when a template's content changes without the migrations (privileges, say).
const TEMPLATE_FORMAT = "1";
const TEMPLATE_LOCK = 7_102_202;

/** The same URL with another database, and another user if given. */
export function databaseUrl(
  server: URL,
  database: string,
  user?: { name: string; password: string },
): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  if (user !== undefined) {
    url.username = user.name;
    url.password = user.password;
  }
  return url.href;
}

/** A short-lived connection. */
export async function withConnection<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export function rolePasswords(server: URL): RolePasswords {
  return {
    ownerPassword: sharedPassword(server, OWNER_ROLE),
    services: SERVICES_WITH_DATA.map((name) => ({ name, password: sharedPassword(server, name) })),
  };
}

async function templateName(services: readonly ServiceName[]): Promise<string> {
  const hash = createHash("sha256").update(TEMPLATE_FORMAT);
  for (const service of services) {
    const { business, sys } = serviceMigrations(service);
    for (const migration of await readMigrations([...sys, ...business])) {
      hash.update(`${service}\0${migration.name}\0${migration.checksum}\0`);
    }
  }
  return `medvault_template_${hash.digest("hex").slice(0, 16)}`;
}

/**
 * The name of a migrated database of these services' schemas, which nobody connects to. Made once
 * per server and checksum of all migrations; other processes that want it wait for the first.
 */
export async function ensureTemplate(server: URL, services: readonly ServiceName[]): Promise<string> {
  const name = await templateName(services);
  await withConnection(server.href, async (admin) => {
    if (await exists(admin, name)) return;
    await admin.query("select pg_advisory_lock($1)", [TEMPLATE_LOCK]);
    if (await exists(admin, name)) return;
    const unfinished = `${name}_new`;
    await admin.query(ddl("drop database if exists %I with (force)", unfinished));
    await admin.query(ddl("create database %I", unfinished));
    await build(server, unfinished, services);
    const today = new Date().toISOString().slice(0, 10);
    await admin.query(ddl("comment on database %I is %L", unfinished, today));
    await admin.query(ddl("alter database %I rename to %I", unfinished, name));
    await dropOldTemplates(admin, name);
  });
  return name;
}

async function exists(admin: pg.Client, database: string): Promise<boolean> {
  return (await admin.query("select from pg_database where datname = $1", [database])).rowCount === 1;
}

async function build(server: URL, database: string, services: readonly ServiceName[]): Promise<void> {
  const passwords = rolePasswords(server);
  await withConnection(databaseUrl(server, database), (superuser) => provisionDatabase(superuser, passwords));
  const owner = { name: OWNER_ROLE, password: passwords.ownerPassword };
  await withConnection(databaseUrl(server, database, owner), async (client) => {
    for (const service of services) await migrateService(client, service);
  });
}

const OLD_TEMPLATE_DAYS = 3;

/** Drops templates of older migrations. Where one is still needed, it is made again. */
async function dropOldTemplates(admin: pg.Client, current: string): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `select datname from pg_database
      where datname ~ '^medvault_template_[0-9a-f]+$' and datname <> $1
        and coalesce(shobj_description(oid, 'pg_database'), '')
            < to_char(now() - $2 * interval '1 day', 'YYYY-MM-DD')`,
    [current, OLD_TEMPLATE_DAYS],
  );
  for (const { datname } of rows) {
    // Another process may be cloning it at this moment: then it is dropped another time.
    await admin.query(ddl("drop database if exists %I", datname)).catch(() => {});
  }
}

/** Clones the template and restores what a clone loses: grants and search paths. */
export async function cloneTemplate(server: URL, template: string, database: string): Promise<void> {
  await withConnection(server.href, (admin) =>
    admin.query(ddl("create database %I template %I", database, template)),
  );
  await withConnection(databaseUrl(server, database), grantDatabase);
}
